"""Service migration for mobile users: stay at the present edge site, or follow the user to another one."""
