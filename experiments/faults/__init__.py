"""What goes wrong around the commands, on purpose: `python -m experiments.faults`.

- `words`    random command lines over every command of `verify.commands`
- `runner`   runs them in forks of a process that has its imports behind it, and watches status, memory and silence
- `judge`    what every end must be
"""
