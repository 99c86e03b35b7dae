"""What looks at a running system from outside: the probe, all the time, and the doctor, when somebody asks."""
