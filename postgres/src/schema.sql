-- The tables of the bus. Running this script again changes nothing.
--
-- All times come from the clock of the server. No time is compared with the clock of another machine.

CREATE SCHEMA IF NOT EXISTS cancelable;

-- A process that has runs or makes requests. Each poll renews its lease. There is no index on `lease_until`, so a renewal
-- changes no index. Half of each page is left free, so that the renewed row fits into the same page.
CREATE TABLE IF NOT EXISTS cancelable.processes (
    id uuid PRIMARY KEY,
    scope text NOT NULL,
    host text NOT NULL,
    began timestamptz NOT NULL,
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

-- A run. `ended` and `outcome` are NULL while it is live.
CREATE TABLE IF NOT EXISTS cancelable.runs (
    id uuid PRIMARY KEY,
    process uuid NOT NULL,
    scope text NOT NULL,
    key text,
    name text NOT NULL,
    began timestamptz NOT NULL,
    ended timestamptz,
    outcome text,
    CHECK ((ended IS NULL) = (outcome IS NULL))
);
-- The first index finds the live runs of a key, the second the live runs of a process, the third the runs to delete.
CREATE INDEX IF NOT EXISTS runs_live_key ON cancelable.runs (scope, key) WHERE ended IS NULL AND key IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_live_process ON cancelable.runs (process) WHERE ended IS NULL;
CREATE INDEX IF NOT EXISTS runs_ended ON cancelable.runs (ended) WHERE ended IS NOT NULL;

-- A request, for one run or for a key. It does not apply to runs that begin after `expires`.
CREATE TABLE IF NOT EXISTS cancelable.requests (
    id uuid PRIMARY KEY,
    scope text NOT NULL,
    recipient text NOT NULL CHECK (recipient IN ('run', 'key', 'block')),
    run uuid,
    key text,
    reason_kind text NOT NULL,
    message text NOT NULL,
    asked_by text,
    requester uuid NOT NULL,
    began timestamptz NOT NULL,
    expires timestamptz NOT NULL,
    CHECK ((recipient = 'run') = (run IS NOT NULL) AND (recipient <> 'run') = (key IS NOT NULL))
);
-- The first index finds the blocks of a key, the second the requests to delete.
CREATE INDEX IF NOT EXISTS requests_block ON cancelable.requests (scope, key) WHERE recipient = 'block';
CREATE INDEX IF NOT EXISTS requests_expires ON cancelable.requests (expires);

-- A target: a request, and a run that must get it. `process` is NULL if the run has not begun, or if the run was deleted
-- before its process wrote a receipt. `received` and `received_at` are the receipt, and NULL until then.
CREATE TABLE IF NOT EXISTS cancelable.targets (
    request uuid NOT NULL,
    run uuid NOT NULL,
    process uuid,
    received text,
    received_at timestamptz,
    PRIMARY KEY (request, run)
);
-- Polls use the first index, because they read only targets without a receipt. The second index finds the requests for a
-- run that begins, the third the targets of a run that is deleted.
CREATE INDEX IF NOT EXISTS targets_open ON cancelable.targets (process) WHERE received IS NULL AND process IS NOT NULL;
CREATE INDEX IF NOT EXISTS targets_waiting ON cancelable.targets (run) WHERE received IS NULL AND process IS NULL;
CREATE INDEX IF NOT EXISTS targets_run ON cancelable.targets (run);
