//! `Statements`: the SQL of the calls, prepared once for each connection.
//!
//! 1. Each statement is one transaction. A call is one statement or two. The second statement handles the rows that the
//!    first could not see. If the call fails between the two statements, the bus repeats the call.
//! 2. `clock_timestamp()` returns the time at which it is evaluated. By then, the transaction may already have waited for
//!    locks.
//! 3. The cost of a call depends on the rows that it delivers or writes, not on the number of runs. The planner's statistics
//!    of a growing table are old, so it would go through all live runs of a process if another index allowed that. So if a
//!    statement finds runs by identifier, its conditions are written in a way that fits no other index. For runs that have
//!    not ended, they say `outcome IS NULL`. They compare the process with `IS NOT DISTINCT FROM`, and times by their
//!    difference.
//! 4. The row of a target names the process of its run once both the target and the run are known. If a run begins while a
//!    request for it is made, neither transaction sees the other's rows. So each of the two looks again after its commit, in
//!    a second statement: [`ADOPT`] for the run, and [`RESOLVE_RUN`] or [`RESOLVE_BLOCK`] for the request. The later one of
//!    these two statements sees both rows. If a requester crashes before it looks again, [`LOOK`] finds the request.

use futures::future::try_join_all;
use tokio_postgres::{Client, Error, Statement};

/// Inserts or renews a process. The system column `xmax` is zero in a row that was inserted.
const ENROL: &str = "
INSERT INTO cancelable.processes AS p (id, scope, host, began, lease_until)
VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp() + make_interval(secs => $4))
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
RETURNING p.xmax = 0";

/// Renews the lease, and reads the targets without a receipt.
const POLL: &str = "
WITH me AS (
    UPDATE cancelable.processes SET lease_until = clock_timestamp() + make_interval(secs => $2)
    WHERE id = $1
    RETURNING (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now
), open AS (
    SELECT q.id, t.run, q.reason_kind, q.message, q.asked_by
    FROM cancelable.targets t
    JOIN cancelable.runs r ON r.id = t.run
    JOIN cancelable.requests q ON q.id = t.request
    WHERE t.process = $1 AND t.received IS NULL AND r.outcome IS NULL
)
SELECT me.now, open.* FROM me LEFT JOIN open ON true";

/// Looks again for requests whose requester crashed before it did so.
const LOOK: &str = "
WITH begun AS (
    UPDATE cancelable.targets t SET process = $1
    FROM cancelable.requests q, cancelable.runs r
    WHERE t.process IS NULL AND t.received IS NULL AND q.id = t.request AND r.id = t.run
        AND r.process IS NOT DISTINCT FROM $1 AND r.outcome IS NULL AND r.scope = q.scope AND q.expires - r.began > interval '0'
)
INSERT INTO cancelable.targets (request, run, process)
SELECT q.id, r.id, r.process
FROM cancelable.processes p
JOIN cancelable.requests q ON q.scope = p.scope AND q.recipient = 'block'
JOIN cancelable.runs r ON r.scope = q.scope AND r.key = q.key AND r.ended IS NULL
WHERE p.id = $1 AND r.process IS NOT DISTINCT FROM $1 AND q.expires - r.began > interval '0'
    AND NOT EXISTS (SELECT FROM cancelable.targets t WHERE t.request = q.id AND t.run = r.id)
ON CONFLICT DO NOTHING";

/// Inserts runs and returns those that now belong to the process. The update changes nothing: it makes the statement also
/// return the rows that the process had already inserted. `FOR KEY SHARE` locks the row of the process, so that the row is
/// not deleted before the commit.
const BEGIN: &str = "
WITH me AS (
    SELECT id, scope FROM cancelable.processes WHERE id = $1 FOR KEY SHARE
), begun AS (
    INSERT INTO cancelable.runs AS r (id, process, scope, key, name, began)
    SELECT n.id, me.id, me.scope, n.key, n.name, clock_timestamp()
    FROM me, (
        SELECT DISTINCT ON (id) id, key, name FROM unnest($2::uuid[], $3::text[], $4::text[]) AS u (id, key, name)
    ) n
    ON CONFLICT (id) DO UPDATE SET process = excluded.process WHERE r.process = excluded.process
    RETURNING r.id
)
SELECT begun.id FROM me LEFT JOIN begun ON true";

/// Finds the requests for runs that have just begun.
const ADOPT: &str = "
WITH own AS MATERIALIZED (
    SELECT r.id, r.scope, r.key, r.began FROM cancelable.runs r
    WHERE r.id = ANY($2) AND r.process IS NOT DISTINCT FROM $1
), waiting AS MATERIALIZED (
    SELECT t.request, t.run FROM cancelable.targets t
    WHERE t.run = ANY($2) AND t.process IS NULL AND t.received IS NULL
), begun AS (
    UPDATE cancelable.targets t SET process = $1
    FROM waiting JOIN own ON own.id = waiting.run JOIN cancelable.requests q ON q.id = waiting.request
    WHERE t.request = waiting.request AND t.run = waiting.run AND t.process IS NULL AND t.received IS NULL
        AND q.scope = own.scope AND q.expires - own.began > interval '0'
)
INSERT INTO cancelable.targets (request, run, process)
SELECT q.id, own.id, $1
FROM own JOIN cancelable.requests q ON q.scope = own.scope AND q.key = own.key AND q.recipient = 'block'
WHERE q.expires - own.began > interval '0'
ON CONFLICT DO NOTHING";

/// Writes receipts and ends, and gives hints to the requesters.
const FINISH: &str = "
WITH receipt AS (
    SELECT DISTINCT ON (request, run) request, run, received
    FROM unnest($2::uuid[], $3::uuid[], $4::text[]) WITH ORDINALITY AS u (request, run, received, place)
    ORDER BY request, run, place
), written AS (
    INSERT INTO cancelable.targets AS t (request, run, process, received, received_at)
    SELECT q.id, receipt.run, $1, receipt.received, clock_timestamp()
    FROM receipt JOIN cancelable.requests q ON q.id = receipt.request
    ON CONFLICT (request, run) DO UPDATE
    SET process = excluded.process, received = excluded.received, received_at = excluded.received_at
    WHERE t.received IS NULL
    RETURNING t.request
), ending AS (
    SELECT DISTINCT ON (run) run, outcome
    FROM unnest($5::uuid[], $6::text[]) WITH ORDINALITY AS u (run, outcome, place)
    ORDER BY run, place
), ended AS (
    UPDATE cancelable.runs r SET ended = clock_timestamp(), outcome = ending.outcome
    FROM ending WHERE r.id = ending.run AND r.process IS NOT DISTINCT FROM $1 AND r.outcome IS NULL
)
SELECT pg_notify('cancelable:' || requester::text, '') FROM (
    SELECT DISTINCT q.requester FROM written JOIN cancelable.requests q ON q.id = written.request
) requesters";

/// The start of both statements for requests.
macro_rules! made {
    () => {
        "
WITH made AS (
    INSERT INTO cancelable.requests
        (id, scope, recipient, run, key, reason_kind, message, asked_by, requester, began, expires)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp(), clock_timestamp() + make_interval(secs => $10))
    ON CONFLICT (id) DO NOTHING
    RETURNING id, scope, recipient, run, key
), target AS ("
    };
}

/// Makes a request for one run. Returns a row if the process of the run is known.
const REQUEST_RUN: &str = concat!(
    made!(),
    "
    INSERT INTO cancelable.targets (request, run, process)
    SELECT made.id, made.run,
        (SELECT r.process FROM cancelable.runs r WHERE r.id = made.run AND r.scope = made.scope)
    FROM made
    RETURNING process
)
SELECT pg_notify('cancelable:' || process::text, '') FROM target WHERE process IS NOT NULL"
);

/// Looks again for the run of a request.
const RESOLVE_RUN: &str = "
WITH found AS (
    UPDATE cancelable.targets t SET process = r.process
    FROM cancelable.requests q, cancelable.runs r
    WHERE t.request = $1 AND t.run = $2 AND t.process IS NULL AND t.received IS NULL AND q.id = $1 AND r.id = $2
        AND r.scope = q.scope AND q.expires - r.began > interval '0'
    RETURNING t.process
)
SELECT pg_notify('cancelable:' || process::text, '') FROM found";

/// Makes a request for the runs of a key.
const REQUEST_KEY: &str = concat!(
    made!(),
    "
    INSERT INTO cancelable.targets (request, run, process)
    SELECT made.id, r.id, r.process
    FROM made JOIN cancelable.runs r ON r.scope = made.scope AND r.key = made.key AND r.ended IS NULL
    RETURNING process
)
SELECT pg_notify('cancelable:' || process::text, '') FROM (SELECT DISTINCT process FROM target) processes"
);

/// Looks again for the runs of a block.
const RESOLVE_BLOCK: &str = "
WITH found AS (
    INSERT INTO cancelable.targets (request, run, process)
    SELECT q.id, r.id, r.process
    FROM cancelable.requests q JOIN cancelable.runs r ON r.scope = q.scope AND r.key = q.key AND r.ended IS NULL
    WHERE q.id = $1 AND q.expires - r.began > interval '0'
    ON CONFLICT DO NOTHING
    RETURNING process
)
SELECT pg_notify('cancelable:' || process::text, '') FROM (SELECT DISTINCT process FROM found) processes";

/// Ends the blocks of a key.
const UNBLOCK: &str = "
UPDATE cancelable.requests SET expires = clock_timestamp()
WHERE scope = $1 AND key = $2 AND recipient = 'block' AND expires > clock_timestamp()
RETURNING 1";

/// Reads the deliveries of requests. A request does not apply to a run that began after the request's lifetime.
const TARGETS: &str = "
SELECT q.id, t.run, t.received, r.id IS NOT NULL, r.ended IS NOT NULL,
    coalesce(p.lease_until > clock_timestamp(), false)
FROM cancelable.requests q
LEFT JOIN cancelable.targets t ON t.request = q.id
LEFT JOIN cancelable.runs r ON r.id = t.run AND r.scope = q.scope
    AND (t.process IS NOT NULL OR q.recipient <> 'run' OR q.expires - r.began > interval '0')
LEFT JOIN cancelable.processes p ON p.id = r.process
WHERE q.id = ANY($1)";

/// Reads the processes of a scope, with the numbers of their live runs and of their targets without a receipt.
const PROCESSES: &str = "
SELECT p.id, p.host, p.lease_until > clock_timestamp(),
    (SELECT count(*) FROM cancelable.runs r WHERE r.process = p.id AND r.ended IS NULL),
    (
        SELECT count(*) FROM cancelable.targets t JOIN cancelable.runs r ON r.id = t.run
        WHERE t.process = p.id AND t.received IS NULL AND r.outcome IS NULL
    )
FROM cancelable.processes p
WHERE p.scope = $1";

/// Deletes old rows. A process is deleted together with all its live runs. Otherwise it could come back and find only
/// some of them. A request for one run stays, and waits as if the run had never begun: its target names no process any more, so
/// [`ADOPT`] finds it if the run begins again.
const FORGET: &str = "
WITH past AS (
    SELECT clock_timestamp() - make_interval(secs => $1) AS time
), gone_process AS (
    DELETE FROM cancelable.processes WHERE id IN (
        SELECT p.id FROM cancelable.processes p, past WHERE p.lease_until < past.time
        LIMIT $2 FOR UPDATE OF p SKIP LOCKED
    )
    RETURNING id
), gone_run AS (
    DELETE FROM cancelable.runs WHERE id IN (
        SELECT id FROM (SELECT r.id FROM cancelable.runs r, past WHERE r.ended < past.time LIMIT $2) ended
        UNION ALL
        SELECT r.id FROM cancelable.runs r JOIN gone_process p ON p.id = r.process WHERE r.ended IS NULL
    )
    RETURNING id
), gone_request AS (
    DELETE FROM cancelable.requests WHERE id IN (
        SELECT q.id FROM cancelable.requests q, past
        WHERE q.expires < past.time AND NOT EXISTS (
            SELECT FROM cancelable.targets t
            JOIN cancelable.runs r ON r.id = t.run
            JOIN cancelable.processes p ON p.id = r.process
            WHERE t.request = q.id AND t.received IS NULL AND r.ended IS NULL AND p.lease_until > clock_timestamp()
                AND r.scope = q.scope AND (t.process IS NOT NULL OR q.expires - r.began > interval '0')
        )
        LIMIT $2
    )
    RETURNING id
), kept_target AS (
    SELECT t.request, t.run
    FROM gone_run JOIN cancelable.targets t ON t.run = gone_run.id JOIN cancelable.requests q ON q.id = t.request
    WHERE q.recipient = 'run' AND q.id NOT IN (SELECT id FROM gone_request)
), waiting AS (
    UPDATE cancelable.targets t SET process = NULL
    FROM kept_target k WHERE t.request = k.request AND t.run = k.run AND t.received IS NULL
), gone_target AS (
    DELETE FROM cancelable.targets WHERE (request, run) IN (
        SELECT t.request, t.run FROM cancelable.targets t JOIN gone_run ON gone_run.id = t.run
        UNION
        SELECT t.request, t.run FROM cancelable.targets t JOIN gone_request ON gone_request.id = t.request
        EXCEPT
        SELECT request, run FROM kept_target
    )
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone_process) + (SELECT count(*) FROM gone_run)
    + (SELECT count(*) FROM gone_request) + (SELECT count(*) FROM gone_target)";

/// Ends the lease.
const LEAVE: &str = "
UPDATE cancelable.processes SET lease_until = clock_timestamp() WHERE id = $1 AND lease_until > clock_timestamp()";

macro_rules! statements {
    ($($name:ident: $text:expr,)*) => {
        /// One prepared statement for each text.
        pub(crate) struct Statements {
            $(pub(crate) $name: Statement,)*
        }

        impl Statements {
            /// Prepares all statements in one round trip.
            pub(crate) async fn prepare(client: &Client) -> Result<Self, Error> {
                let texts = [$($text,)*];
                let all = try_join_all(texts.map(|text| client.prepare(text))).await?;
                let mut all = all.into_iter();
                let mut next = || all.next().expect("as many as texts");
                Ok(Statements { $($name: next(),)* })
            }
        }
    };
}

statements! {
    enrol: ENROL,
    poll: POLL,
    look: LOOK,
    begin: BEGIN,
    adopt: ADOPT,
    finish: FINISH,
    request_run: REQUEST_RUN,
    resolve_run: RESOLVE_RUN,
    request_key: REQUEST_KEY,
    resolve_block: RESOLVE_BLOCK,
    unblock: UNBLOCK,
    targets: TARGETS,
    processes: PROCESSES,
    forget: FORGET,
    leave: LEAVE,
}
