"""gitops-canary: new tag, commit, Helm upgrade, canary, promotion or rollback, and every result is a Git commit.

The path through the house: cli -> commands/run -> wiring/application -> operator -> managers/canaries -> domain/canary/machine.
"""

__version__ = "0.1.0"
