//! A queue of jobs in a table: whoever writes a counter queues the token of that beside it, and a worker in
//! another process says what it saw.
//!
//! The queue is used past the library: it would be as well in another server.

use anyhow::{Context, Result};
use tokio_postgres::{Client, NoTls};

use crate::application::Application;
use crate::served::COUNTER;

/// The queue, over a connection of its own.
#[derive(Debug)]
pub struct Queue {
    client: Client,
}

/// A counter was set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    id: i32,
    /// To what.
    pub value: i64,
    /// What the writer's session has written.
    pub token: String,
}

impl Queue {
    /// Opens the queue in a database.
    ///
    /// # Errors
    /// Its server does not let us in.
    #[expect(clippy::disallowed_methods, reason = "a connection is a task")]
    pub async fn open(url: &str) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        // ends with the client
        drop(tokio::spawn(connection));
        let table = "CREATE TABLE IF NOT EXISTS job (id serial PRIMARY KEY, value bigint NOT NULL, \
                     token text NOT NULL, taken bool NOT NULL DEFAULT false, seen bigint)";
        client.batch_execute(table).await?;
        Ok(Self { client })
    }

    /// Sets the counter, and queues a job that tells of it. The current session must be one of its own.
    ///
    /// # Errors
    /// A statement fails, or there is no token.
    pub async fn set<A: Application>(&self, app: &A, value: i64) -> Result<Job> {
        app.write(COUNTER, value).await?;
        self.put(value, &app.token().await?).await
    }

    /// Queues a job.
    ///
    /// # Errors
    /// The statement fails.
    pub async fn put(&self, value: i64, token: &str) -> Result<Job> {
        let put = "INSERT INTO job (value, token) VALUES ($1, $2) RETURNING id";
        let row = self.client.query_one(put, &[&value, &token]).await?;
        Ok(Job {
            id: row.try_get(0)?,
            value,
            token: token.to_owned(),
        })
    }

    /// The oldest job that nobody has taken.
    ///
    /// # Errors
    /// The statement fails.
    pub async fn take(&self) -> Result<Option<Job>> {
        let take = "UPDATE job SET taken = true WHERE id = (SELECT id FROM job WHERE NOT taken \
                    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, value, token";
        let row = self.client.query_opt(take, &[]).await?;
        let job = row.map(|row| {
            let (id, value, token) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            anyhow::Ok(Job { id, value, token })
        });
        job.transpose()
    }

    /// What the counter was when the job was done.
    ///
    /// # Errors
    /// The statement fails.
    pub async fn done(&self, job: &Job, seen: i64) -> Result<()> {
        let done = "UPDATE job SET seen = $2 WHERE id = $1";
        self.client.execute(done, &[&job.id, &seen]).await?;
        Ok(())
    }

    /// What the worker saw, once it is done.
    ///
    /// # Errors
    /// The statement fails.
    pub async fn seen(&self, job: &Job) -> Result<Option<i64>> {
        let seen = "SELECT seen FROM job WHERE id = $1";
        let row = self.client.query_opt(seen, &[&job.id]).await?;
        Ok(row.context("the job is gone")?.try_get(0)?)
    }
}
