//! Writes the tiles of the journal, off the road of the calls.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::witnessing::Witnessing;
use crate::{
    api::ApiError,
    evidence::{Checkpoint, Feed as _},
    store::{Store, TileFolder, TileWriter, TilesError},
};

/// Records that are read at once.
const ROWS: u32 = 256;
/// After a failure; also between two publications, at least.
const PAUSE: Duration = Duration::from_secs(5);
const BREATH: Duration = Duration::from_millis(200);

/// Follows the checkpoints until the store closes. The tiles can be made again at any time, so a failure is told and
/// nothing waits for them. Where there are witnesses, their pace is that of the tiles.
pub(super) async fn keep(store: Arc<Store>, dir: PathBuf, witnessing: Option<Arc<Witnessing>>) {
    let mut checkpoints = store.checkpoints();
    let mut writer: Option<TileWriter> = None;
    let (mut failing, mut whole) = (false, true);
    let breath = witnessing.as_ref().map_or(BREATH, |witnessing| witnessing.every);
    loop {
        let note = checkpoints.borrow_and_update().clone();
        // A disk that is full belongs to the records first.
        if let Some(note) = note.filter(|_| store.lease().holds()) {
            match publish(&store, &dir, (writer.take(), witnessing.as_deref()), &note).await {
                Ok((kept, all)) => (writer, failing, whole) = (Some(kept), false, all),
                Err(error) => {
                    if !failing {
                        tracing::error!(error, folder = %dir.display(), "the tiles of the journal cannot be written");
                    }
                    failing = true;
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            }
        }
        tokio::time::sleep(breath).await;
        // Witnesses that have not cosigned yet are asked again about the same checkpoint.
        if whole && checkpoints.changed().await.is_err() {
            return;
        }
    }
}

/// Brings the tiles up to this checkpoint; also the last act when the store has closed. Says whether every witness has
/// cosigned it.
pub(super) async fn publish(
    store: &Store,
    dir: &std::path::Path,
    (writer, witnessing): (Option<TileWriter>, Option<&Witnessing>),
    note: &Arc<str>,
) -> Result<(TileWriter, bool), String> {
    let signed = Checkpoint::read(note).map_err(|error| error.to_string())?;
    let mut writer = match writer {
        Some(writer) => writer,
        None => {
            blocking({
                let dir = dir.to_owned();
                move || TileWriter::resume(&dir)
            })
            .await?
        }
    };
    while writer.wants() <= signed.size {
        let left = u32::try_from(signed.size + 1 - writer.wants()).unwrap_or(ROWS).min(ROWS);
        let rows = store.after(writer.wants() - 1, left).await.map_err(|error| error.to_string())?;
        if rows.is_empty() {
            return Err("the store has fewer records than it signed".to_owned());
        }
        writer = blocking(move || {
            for row in &rows {
                writer.take(row)?;
            }
            Ok(writer)
        })
        .await?;
    }
    let Some(witnessing) = witnessing else {
        let note = Arc::clone(note);
        let publish = move || writer.publish(&note, &signed).map(|()| writer);
        return Ok((blocking(publish).await?, true));
    };
    writer = blocking(move || writer.lay(&signed).map(|()| writer)).await?;
    let cosigned = witnessing.cosign(note).await?;
    let folder = TileFolder::new(dir);
    let announce = move || folder.announce(&cosigned.note, cosigned.quorum).map(|()| writer);
    Ok((blocking(announce).await?, cosigned.whole))
}

/// Reads of the folder what a request asks for.
pub(super) async fn read<T: Send + 'static>(
    dir: &std::path::Path,
    read: impl FnOnce(&TileFolder) -> Result<T, TilesError> + Send + 'static,
) -> Result<T, ApiError> {
    let folder = TileFolder::new(dir);
    let done = tokio::task::spawn_blocking(move || read(&folder)).await.map_err(|_| ApiError::internal())?;
    done.map_err(|error| ApiError::unavailable(error.to_string()))
}

async fn blocking(
    work: impl FnOnce() -> Result<TileWriter, TilesError> + Send + 'static,
) -> Result<TileWriter, String> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
    done.map_err(|error| error.to_string())
}
