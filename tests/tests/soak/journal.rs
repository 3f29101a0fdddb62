//! What was written, each entry sent once: what of it was acknowledged, and what of that is read back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::{Result, ensure};
use orm_split_tests::application::{Application, Way};
use parking_lot::Mutex;

/// Without a key: a statement that ran twice is there twice.
pub const TABLE: &str = "CREATE TABLE journal (id int NOT NULL)";

#[derive(Debug)]
pub struct Journal {
    first: i32,
    next: AtomicI32,
    acknowledged: Arc<Mutex<HashSet<i32>>>,
}

#[derive(Debug)]
pub struct Entry {
    id: i32,
    acknowledged: Arc<Mutex<HashSet<i32>>>,
}

impl Entry {
    pub fn statement(&self) -> String {
        format!("INSERT INTO journal VALUES ({})", self.id)
    }

    pub fn acknowledged(&self) {
        self.acknowledged.lock().insert(self.id);
    }
}

impl Journal {
    pub fn from(first: i32) -> Self {
        Self {
            first,
            next: AtomicI32::new(first),
            acknowledged: Arc::default(),
        }
    }

    pub fn entry(&self) -> Entry {
        Entry {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            acknowledged: Arc::clone(&self.acknowledged),
        }
    }

    /// How many were acknowledged.
    pub fn count(&self) -> usize {
        self.acknowledged.lock().len()
    }

    /// Of those that were acknowledged, how many are not there: a promotion may lose the latest.
    pub fn lost(&self, truth: &HashMap<i32, i64>) -> usize {
        let all = self.acknowledged.lock();
        all.iter().filter(|id| !truth.contains_key(id)).count()
    }

    /// How many of this journal are there more than once.
    pub fn twice(&self, truth: &HashMap<i32, i64>) -> usize {
        let ours = self.first..self.next.load(Ordering::Relaxed);
        let twice = truth
            .iter()
            .filter(|(id, count)| ours.contains(id) && **count > 1);
        twice.count()
    }

    /// Looks through the application for everything that was acknowledged and is there: yields how many it saw.
    pub async fn read_back<A: Application>(
        &self,
        app: &A,
        truth: &HashMap<i32, i64>,
    ) -> Result<usize> {
        let acknowledged = self.acknowledged.lock().clone();
        let there: Vec<i32> = acknowledged
            .into_iter()
            .filter(|id| truth.contains_key(id))
            .collect();
        for some in there.chunks(500) {
            let ids: Vec<String> = some.iter().map(ToString::to_string).collect();
            // a counter that shows how many of them the application sees
            let sees = format!(
                "UPDATE counter SET value = (SELECT count(DISTINCT id) FROM journal WHERE id IN ({})) WHERE id = 20",
                ids.join(",")
            );
            app.send(Way::Execute, &sees).await?;
            let seen = app.read(20).await?;
            ensure!(
                seen == i64::try_from(some.len())?,
                "{seen} of {}",
                some.len()
            );
        }
        Ok(there.len())
    }
}
