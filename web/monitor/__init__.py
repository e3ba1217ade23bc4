"""The monitor: follows a log from its own cursor and tells of what its owner asked to hear of.

`event` is what can happen, `state` what is remembered (the cursor moves only after delivery), `watch` finds events in
the log, `deliver` and `atom` bring them out, `run` is one round.
"""
