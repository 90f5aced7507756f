//! `Session`: the calling side of a connection, with its prepared statements.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use crate::error::Error;
use crate::statements::Statements;

/// What a session of the bus needs, whatever the defaults of the database are. A commit must survive a crash of the server.
/// No call waits long: a statement that its caller has given up must not hold locks.
const SETTINGS: &str = "
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SET statement_timeout = '10s';
SET lock_timeout = '5s';
SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off;
";

/// The calling side of a connection.
pub(crate) struct Session {
    client: Client,
    pub(crate) statements: Statements,
    /// Whether the last call that ended was dropped while it waited for its answer. A half-open connection looks so.
    gave_up: AtomicBool,
}

impl Session {
    /// Sets up a new connection. Something else has to drive it meanwhile.
    pub(crate) async fn new(client: Client) -> Result<Self, Error> {
        client.batch_execute(SETTINGS).await?;
        let statements = Statements::prepare(&client).await?;
        Ok(Session { client, statements, gave_up: AtomicBool::new(false) })
    }

    /// Returns whether calls can be expected to work.
    pub(crate) fn works(&self) -> bool {
        !self.client.is_closed() && !self.gave_up.load(Ordering::Relaxed)
    }

    /// Makes a call.
    pub(crate) async fn call(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let giving_up = GivingUp { gave_up: &self.gave_up, answered: false };
        let answer = self.client.query(statement, parameters).await;
        giving_up.answered();
        Ok(answer?)
    }

    /// Starts to listen to channels.
    pub(crate) async fn listen(&self, channels: [&str; 2]) -> Result<(), Error> {
        // The names are made of letters, digits, colons and hyphens.
        let [process, scope] = channels;
        let text = format!("LISTEN \"{process}\"; LISTEN \"{scope}\"");
        Ok(self.client.batch_execute(&text).await?)
    }
}

/// Notes how a call ended.
struct GivingUp<'a> {
    gave_up: &'a AtomicBool,
    answered: bool,
}

impl GivingUp<'_> {
    fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for GivingUp<'_> {
    fn drop(&mut self) {
        self.gave_up.store(!self.answered, Ordering::Relaxed);
    }
}
