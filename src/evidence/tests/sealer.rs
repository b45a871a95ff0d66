//! Keys of days and exceptions, and their end.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use crate::{
    domain::{DecisionId, Digest, ExceptionId, Secret, Timestamp},
    evidence::{Captured, SealError, Sealer, Under, Vault},
};

#[derive(Debug, Clone, Default)]
struct Shelf(Arc<Mutex<Vec<String>>>, bool);

impl Vault for Shelf {
    fn keep(&self, id: &str, _: &Secret<Vec<u8>>) -> Result<(), String> {
        if self.1 {
            return Err("full".to_owned());
        }
        self.0.lock().unwrap().push(id.to_owned());
        Ok(())
    }

    fn destroy(&self, id: &str) -> Result<(), String> {
        self.0.lock().unwrap().retain(|kept| kept != id);
        Ok(())
    }
}

fn at(day: u32) -> Timestamp {
    format!("2026-11-{day:02}T23:59:59Z").parse().unwrap()
}

fn sealer(shelf: &Shelf) -> Sealer {
    Sealer::with(&Secret::new(vec![1; 32]), Box::new(shelf.clone()), Vec::new()).unwrap()
}

#[test]
fn what_was_captured_before_a_day_or_under_an_exception_is_gone_and_nothing_else_is() {
    let (shelf, id) = (Shelf::default(), DecisionId::from_bits(1));
    let sealer = sealer(&shelf);
    let exception: ExceptionId = "EX-1.a".parse().unwrap();
    let seal = |day, exception| {
        let key = sealer.key(Under { at: at(day), exception }).unwrap();
        (key.seal(&id, b"secret").unwrap().unwrap(), key.print(&Digest::of(b"secret")))
    };
    let (old, old_print) = seal(1, None);
    let (under, _) = seal(2, Some(&exception));
    let (new, new_print) = seal(2, None);
    assert_eq!(shelf.0.lock().unwrap().len(), 3);
    let before = sealer.of(&Captured::Before(at(2).date_naive()));
    assert_eq!(before, std::slice::from_ref(&old.key));
    sealer.shred(&before, (at(3), "sonia")).unwrap();
    let gone = sealer.open(&id, &old).unwrap_err();
    assert_eq!(gone.to_string(), "shredded on 2026-11-03 by sonia");
    assert_eq!(sealer.is_print(&old_print, &Digest::of(b"secret")), Err(gone), "nor can it be guessed any more");
    let named = sealer.of(&Captured::Under(exception.clone()));
    assert_eq!(named, std::slice::from_ref(&under.key));
    sealer.shred(&named, (at(3), "sonia")).unwrap();
    assert!(matches!(sealer.open(&id, &under), Err(SealError::Shredded { .. })));
    assert_eq!(sealer.open(&id, &new).unwrap(), b"secret");
    assert_eq!(sealer.is_print(&new_print, &Digest::of(b"secret")), Ok(true));
    assert_eq!(shelf.0.lock().unwrap().as_slice(), std::slice::from_ref(&new.key));
    let (again, _) = seal(2, Some(&exception));
    assert_ne!(again.key, under.key, "a new key follows one that was shredded");
    assert!(matches!(sealer.open(&id, &under), Err(SealError::Shredded { .. })));
}

/// A vault that says when it begins, and goes on when it is told.
#[derive(Debug)]
struct Slow(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>);

impl Slow {
    fn work(&self) -> Result<(), String> {
        self.0.send(()).map_err(|error| error.to_string())?;
        self.1.lock().unwrap().recv().map_err(|error| error.to_string())
    }
}

impl Vault for Slow {
    fn keep(&self, _: &str, _: &Secret<Vec<u8>>) -> Result<(), String> {
        self.work()
    }

    fn destroy(&self, _: &str) -> Result<(), String> {
        self.work()
    }
}

/// What this gives, unless it has to wait for somebody.
fn at_once<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(work()));
    told.recv_timeout(Duration::from_secs(10)).expect("it waits")
}

#[test]
fn calls_wait_for_no_file_that_is_made_or_destroyed_for_others() {
    let ((begun, begins), (go, goes)) = (mpsc::channel(), mpsc::channel());
    let slow = Box::new(Slow(begun, Mutex::new(goes)));
    let sealer = Arc::new(Sealer::with(&Secret::new(vec![1; 32]), slow, Vec::new()).unwrap());
    let (one, id) = (Arc::clone(&sealer), DecisionId::from_bits(1));
    let key = move |day| one.key(Under { at: at(day), exception: None }).unwrap();
    go.send(()).unwrap();
    let first = key(1);
    begins.recv().unwrap();
    let (of, again) = (key.clone(), key.clone());
    let making = thread::spawn(move || of(2));
    begins.recv().unwrap();
    assert_eq!(at_once(move || again(1)).id(), first.id(), "while a key is made");
    go.send(()).unwrap();
    let second = making.join().unwrap();
    assert_eq!(key(2).id(), second.id(), "it is made once");
    let sealed = first.seal(&id, b"x").unwrap().unwrap();
    let (shredder, ids) = (Arc::clone(&sealer), vec![first.id().to_owned()]);
    let shredding = thread::spawn(move || shredder.shred(&ids, (at(3), "sonia")));
    begins.recv().unwrap();
    assert_eq!(at_once(move || key(2)).id(), second.id(), "while one is destroyed");
    assert!(matches!(at_once(move || sealer.open(&id, &sealed)), Err(SealError::Shredded { .. })));
    go.send(()).unwrap();
    shredding.join().unwrap().unwrap();
}

#[test]
fn a_key_that_cannot_be_kept_seals_nothing() {
    let sealer = sealer(&Shelf(Arc::default(), true));
    let error = sealer.key(Under { at: at(1), exception: None }).unwrap_err();
    assert_eq!(error, SealError::Make("full".to_owned()));
}

/// T106
#[test]
fn a_short_secret_cannot_be_found_by_trying_from_its_fingerprint() {
    let one = sealer(&Shelf::default()).key(Under { at: at(1), exception: None }).unwrap();
    let other = sealer(&Shelf::default()).key(Under { at: at(1), exception: None }).unwrap();
    let digest = Digest::of(b"{\"pin\":\"0000\"}");
    assert_eq!(one.print(&digest), one.print(&digest));
    assert_ne!(one.print(&digest), other.print(&digest));
    assert!(!one.print(&digest).as_str().contains(&digest.to_string()[7..]));
}
