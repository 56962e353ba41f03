//! Deletes kept prompts and answers when their days are over, by the object's alarm. A deployment without the bucket sets no alarm.

use super::Registry;
use crate::edge::{clock, config, contents};
use std::time::Duration;
use worker::Result;

/// Between two sweeps.
const EVERY: Duration = Duration::from_hours(6);

/// Before the next sweep when this one did not come to an end, or failed.
const SOON: Duration = Duration::from_mins(2);

impl Registry {
    /// Sees to it that the alarm rings some day, once a life of this object.
    pub(super) async fn plan_sweep(&self) -> Result<()> {
        if !self.sweep_is_planned.replace(true) && self.env.bucket(config::CONTENT).is_ok() {
            self.wake_within(EVERY).await?;
        }
        Ok(())
    }

    /// Sweeps and plans the next time. A publication's alarm may ring earlier; then this looks earlier, too.
    pub(super) async fn sweep_content(&self) -> Result<()> {
        if self.env.bucket(config::CONTENT).is_err() {
            return Ok(());
        }
        let settings = self
            .with_documents(|documents| documents.documents().settings)
            .unwrap_or_default();
        let pause = match contents::sweep(&self.env, settings.content_days, clock::now()).await {
            Ok(false) => EVERY,
            Ok(true) => SOON,
            Err(error) => {
                worker::console_error!("old content was not deleted and will be: {error}");
                SOON
            }
        };
        self.wake_within(pause).await
    }
}
