//! `Session`: the calling side of a connection, with its prepared statements.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};
use uuid::Uuid;

use crate::error::Error;
use crate::statements::Statements;

/// The settings that a session of the bus needs, whatever the defaults of the database are. A commit must survive a crash of
/// the server. No statement may wait long, because a statement whose caller has given up must not hold locks. Each statement
/// is planned once and uses the indexes that were made for it, because the planner's statistics of tables that have just
/// begun to grow are misleading.
const SETTINGS: &str = "
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SET statement_timeout = '10s';
SET lock_timeout = '5s';
SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off;
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET jit = off;
";

/// The calling side of a connection.
pub(crate) struct Session {
    client: Client,
    pub(crate) statements: Statements,
}

impl Session {
    /// Sets up a new connection. Another future has to drive the connection meanwhile.
    pub(crate) async fn new(client: Client) -> Result<Self, Error> {
        client.batch_execute(SETTINGS).await?;
        let statements = Statements::prepare(&client).await?;
        Ok(Session { client, statements })
    }

    /// Returns whether the connection is open, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Makes a call.
    pub(crate) async fn call(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        Ok(self.client.query(statement, parameters).await?)
    }

    /// Starts to listen for the hints of a process.
    pub(crate) async fn listen(&self, process: Uuid) -> Result<(), Error> {
        Ok(self.client.batch_execute(&format!("LISTEN \"cancelable:{process}\"")).await?)
    }
}
