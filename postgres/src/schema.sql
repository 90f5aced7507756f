-- The tables of the bus. Running this again changes nothing.
--
-- All times are the server's. Nothing is compared with the clock of another machine.

CREATE SCHEMA IF NOT EXISTS cancelable;

-- Processes that run or ask. The lease is renewed by each poll. No index on it, so that renewing touches none.
CREATE TABLE IF NOT EXISTS cancelable.processes (
    id uuid PRIMARY KEY,
    scope text NOT NULL,
    host text NOT NULL,
    began timestamptz NOT NULL,
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

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
-- Finds the runs of a key, and those that a process left behind.
CREATE INDEX IF NOT EXISTS runs_live_key ON cancelable.runs (scope, key) WHERE ended IS NULL AND key IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_live_process ON cancelable.runs (process) WHERE ended IS NULL;
CREATE INDEX IF NOT EXISTS runs_ended ON cancelable.runs (ended) WHERE ended IS NOT NULL;

CREATE TABLE IF NOT EXISTS cancelable.requests (
    id uuid PRIMARY KEY,
    scope text NOT NULL,
    recipient text NOT NULL CHECK (recipient IN ('run', 'key', 'block')),
    run uuid,
    key text,
    reason_kind text NOT NULL,
    message text NOT NULL,
    asked_by text,
    asker uuid NOT NULL,
    began timestamptz NOT NULL,
    expires timestamptz NOT NULL,
    CHECK ((recipient = 'run') = (run IS NOT NULL) AND (recipient <> 'run') = (key IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS requests_block ON cancelable.requests (scope, key) WHERE recipient = 'block';
CREATE INDEX IF NOT EXISTS requests_expires ON cancelable.requests (expires);

-- A request and a run that gets it. The process is NULL if the run had not begun when the request was made. What was
-- received, and when, is NULL until the process of the run writes the receipt.
CREATE TABLE IF NOT EXISTS cancelable.targets (
    request uuid NOT NULL,
    run uuid NOT NULL,
    process uuid,
    received text,
    received_at timestamptz,
    PRIMARY KEY (request, run)
);
-- A poll reads only what has no receipt.
CREATE INDEX IF NOT EXISTS targets_open ON cancelable.targets (process) WHERE received IS NULL AND process IS NOT NULL;
CREATE INDEX IF NOT EXISTS targets_waiting ON cancelable.targets (run) WHERE received IS NULL AND process IS NULL;
CREATE INDEX IF NOT EXISTS targets_run ON cancelable.targets (run);
