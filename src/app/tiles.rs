//! Writes the tiles of the journal, off the road of the calls.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::Mutex;

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

/// Held by whoever writes tiles, until that is on disk: a task that was ended leaves such work behind, and the drafts of two
/// writers have the same names.
pub(super) type Laying = Arc<Mutex<()>>;

/// Follows the checkpoints until the store closes. The tiles can be made again at any time, so a failure is told and
/// nothing waits for them. Where there are witnesses, their pace is that of the tiles.
pub(super) async fn keep(store: Arc<Store>, (dir, laying): (PathBuf, Laying), witnessing: Option<Arc<Witnessing>>) {
    let mut checkpoints = store.checkpoints();
    let mut writer: Option<TileWriter> = None;
    let (mut failing, mut whole) = (false, true);
    let breath = witnessing.as_ref().map_or(BREATH, |witnessing| witnessing.every);
    loop {
        let note = checkpoints.borrow_and_update().clone();
        // A disk that is full belongs to the records first.
        if let Some(note) = note.filter(|_| store.lease().holds()) {
            match publish(&store, (&dir, &laying), (writer.take(), witnessing.as_deref()), &note).await {
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
    (dir, laying): (&std::path::Path, &Laying),
    (writer, witnessing): (Option<TileWriter>, Option<&Witnessing>),
    note: &Arc<str>,
) -> Result<(TileWriter, bool), String> {
    let signed = Checkpoint::read(note).map_err(|error| error.to_string())?;
    let mut writer = match writer {
        Some(writer) => writer,
        None => {
            let dir = dir.to_owned();
            blocking(laying, move || TileWriter::resume(&dir)).await?
        }
    };
    while writer.wants() <= signed.size {
        let left = u32::try_from(signed.size + 1 - writer.wants()).unwrap_or(ROWS).min(ROWS);
        let rows = store.after(writer.wants() - 1, left).await.map_err(|error| error.to_string())?;
        if rows.is_empty() {
            return Err("the store has fewer records than it signed".to_owned());
        }
        writer = blocking(laying, move || {
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
        return Ok((blocking(laying, publish).await?, true));
    };
    writer = blocking(laying, move || writer.lay(&signed).map(|()| writer)).await?;
    let cosigned = witnessing.cosign(note).await?;
    let folder = TileFolder::new(dir);
    let announce = move || folder.announce(&cosigned.note, cosigned.quorum).map(|()| writer);
    Ok((blocking(laying, announce).await?, cosigned.whole))
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

/// Works on the tiles, alone. The work holds the lock itself, since it goes on when nobody waits for it any more.
async fn blocking<T: Send + 'static>(
    laying: &Laying,
    work: impl FnOnce() -> Result<T, TilesError> + Send + 'static,
) -> Result<T, String> {
    let alone = Arc::clone(laying).lock_owned().await;
    let work = move || {
        let done = work();
        drop(alone);
        done
    };
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
    done.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn tiles_are_written_only_after_the_work_of_a_writer_that_was_ended() {
        let (laying, over) = (Laying::default(), Arc::new(AtomicBool::new(false)));
        let (ours, done) = (Arc::clone(&laying), Arc::clone(&over));
        let (began, begun) = tokio::sync::oneshot::channel();
        let slow = tokio::spawn(async move {
            let work = move || {
                let _heard = began.send(());
                std::thread::sleep(Duration::from_millis(300));
                done.store(true, Ordering::Release);
                Ok(())
            };
            blocking(&ours, work).await
        });
        begun.await.unwrap();
        slow.abort();
        assert!(slow.await.unwrap_err().is_cancelled() && !over.load(Ordering::Acquire));
        let seen = blocking(&laying, move || Ok(over.load(Ordering::Acquire))).await;
        assert_eq!(seen, Ok(true));
    }
}
