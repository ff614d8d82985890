"""Bearing kinematics, lubrication, and the signatures that faults leave in vibration."""
