"""The auditor: checks a log that somebody else runs, replays a sample of its runs, and signs what came out.

`run_audit` is the whole; the steps are one module each: `source` and `tiles` (the log's pieces, authenticated),
`log` (history, entries), `operators` (who may sign), `sample`, `models` and `replays` (run again), `confidence`,
`result`, `report` and `publish`. `state` is what the auditor remembers.
"""

from web.audit.errors import AuditError, LogBroken
from web.audit.run import AuditPlan, Finished, Watch, run_audit

__all__ = ["AuditError", "AuditPlan", "Finished", "LogBroken", "Watch", "run_audit"]
