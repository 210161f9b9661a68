"""Many runs at once, on this machine or on a cluster: what is to do, who does it, and how it stands.

A job is one run (task, system, protocol, fold, seed) as the usual command in a process of its own, so that it resumes
and leaves its record as by hand. What is finished, running or stopped is read from the runs' folders; submitit starts
the processes.
"""
