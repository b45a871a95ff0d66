//! Carries every record to one destination as OCSF events.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
};

use async_trait::async_trait;
use serde_json::Value;

use super::{
    follow::{Setback, Sink, Taken},
    ocsf::{self, Product},
};
use crate::{
    domain::DecisionId,
    evidence::{JournalError, Row},
};

/// Beginnings of calls that are remembered until their end.
const REMEMBERED: usize = 4_096;

/// Where events go. What it took when it answers is acknowledged.
#[async_trait]
pub trait Destination: Send {
    /// Takes events in their order, each as compact JSON on one line.
    ///
    /// # Errors
    /// They are not all there; all of them come again.
    async fn take(&mut self, events: &[String]) -> Result<(), Setback>;

    /// Whether it is there, asked while there is nothing to hand over.
    ///
    /// # Errors
    /// It is not.
    async fn alive(&mut self) -> Result<(), Setback> {
        Ok(())
    }
}

/// Finds the beginning of a call that was admitted before this program began to follow.
#[async_trait]
pub trait Beginnings: Send + Sync {
    /// The record of its intent or inquiry.
    async fn begun(&self, decision: &DecisionId) -> Result<Option<Value>, JournalError>;
}

/// The sink of one export.
pub struct Export {
    destination: Box<dyn Destination>,
    beginnings: Arc<dyn Beginnings>,
    product: Product,
    open: BTreeMap<String, Value>,
    order: VecDeque<String>,
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").field("product", &self.product).finish_non_exhaustive()
    }
}

impl Export {
    /// A sink that exports to this destination.
    #[must_use]
    pub fn new(destination: Box<dyn Destination>, beginnings: Arc<dyn Beginnings>, product: Product) -> Self {
        Self { destination, beginnings, product, open: BTreeMap::new(), order: VecDeque::new() }
    }

    async fn line(&mut self, row: &Row) -> Result<String, String> {
        let record: Value =
            serde_json::from_slice(&row.payload).map_err(|_| format!("record {} is not JSON", row.seq))?;
        if row.pruned().is_some() {
            return Ok(ocsf::event(row, None, &self.product)?.to_string());
        }
        let member = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let decision = member("decision");
        let begun = match member("kind").as_str() {
            "outcome" => self.begun(&decision).await?,
            "intent" | "inquiry" => {
                self.remember(decision, record);
                None
            }
            _ => None,
        };
        Ok(ocsf::event(row, begun.as_ref(), &self.product)?.to_string())
    }

    async fn begun(&mut self, decision: &str) -> Result<Option<Value>, String> {
        if let Some(found) = self.open.remove(decision) {
            return Ok(Some(found));
        }
        let Ok(id) = decision.parse() else { return Ok(None) };
        self.beginnings.begun(&id).await.map_err(|error| error.to_string())
    }

    fn remember(&mut self, decision: String, record: Value) {
        while self.order.len() >= REMEMBERED {
            let Some(oldest) = self.order.pop_front() else { break };
            self.open.remove(&oldest);
        }
        self.order.push_back(decision.clone());
        self.open.insert(decision, record);
    }
}

#[async_trait]
impl Sink for Export {
    async fn take(&mut self, rows: &[Row]) -> Result<Taken, Setback> {
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            events.push(self.line(row).await.map_err(Setback::new)?);
        }
        self.destination.take(&events).await?;
        Ok(Taken::Sent)
    }

    async fn alive(&mut self) -> Result<(), Setback> {
        self.destination.alive().await
    }
}
