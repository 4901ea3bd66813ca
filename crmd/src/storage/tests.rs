use std::sync::mpsc::channel;

use crm_core::cib::{Element, Patch};
use crm_messaging::proto::peer::Commit;

use super::*;
use crate::controller::replica::Replica;

fn commit(replica: &mut Replica, id: &str) -> LogEntry {
    let mut new = replica.cib().clone();
    new.at_mut(&["configuration", "resources"])
        .unwrap()
        .push(Element::new("primitive").with("id", id).with("class", "lsb").with("type", "x"));
    let v = replica.version();
    let patch = Patch::between(replica.cib(), &new).to_xml(v, v.next_epoch()).to_string();
    let commit = Commit {
        admin_epoch: v.admin_epoch,
        epoch: v.epoch,
        patch,
        author: "root".into(),
        command: "test".into(),
        ..Commit::default()
    };
    replica.commit(&commit, "n1").unwrap()
}

/// Commits `ids` on top of what is in the directory, through a real writer.
fn store(directory: &Path, ids: &[&str]) -> Replica {
    let (mut replica, _) = recover(directory).unwrap();
    let (done, reports) = channel();
    let sender = start(directory, move |r| {
        done.send(r).unwrap();
    })
    .unwrap();
    for id in ids {
        let entry = commit(&mut replica, id);
        let version = entry.version;
        sender.send(Job::Append(Box::new(entry), Box::new(replica.clone()))).unwrap();
        assert_eq!(reports.recv().unwrap(), Ok(version));
    }
    replica
}

fn same(a: &Replica, b: &Replica) {
    assert_eq!(a.chain(), b.chain());
    assert_eq!(a.version().configuration(), b.version().configuration());
    assert_eq!(a.links(), b.links());
    let resources = |r: &Replica| r.cib().at(&["configuration", "resources"]).cloned();
    assert_eq!(resources(a), resources(b));
}

#[test]
fn what_was_stored_is_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let stored = store(dir.path(), &["a", "b"]);
    same(&recover(dir.path()).unwrap().0, &stored);
    let stored = store(dir.path(), &["c"]);
    same(&recover(dir.path()).unwrap().0, &stored);
}

#[test]
fn a_torn_tail_is_cut_off_at_every_length() {
    let dir = tempfile::tempdir().unwrap();
    let first = store(dir.path(), &["a"]);
    let file = dir.path().join(log::FILE);
    let before = std::fs::read(&file).unwrap().len();
    store(dir.path(), &["b"]);
    let whole = std::fs::read(&file).unwrap();
    for length in before..whole.len() {
        std::fs::write(&file, &whole[..length]).unwrap();
        same(&recover(dir.path()).unwrap().0, &first);
        assert_eq!(std::fs::read(&file).unwrap().len(), before);
    }
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(recover(dir.path()).unwrap().0.version().epoch, 2);
}

#[test]
fn a_snapshot_takes_the_place_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let stored = store(dir.path(), &["a", "b"]);
    let (done, reports) = channel();
    let sender = start(dir.path(), move |r| {
        done.send(r).unwrap();
    })
    .unwrap();
    let job = || Job::Snapshot(Box::new(stored.clone()));
    for _ in 0..12 {
        sender.send(job()).unwrap();
        assert_eq!(reports.recv().unwrap(), Ok(stored.version().configuration()));
    }
    drop(sender);
    assert_eq!(std::fs::metadata(dir.path().join(log::FILE)).unwrap().len(), 0);
    assert_eq!(snapshot::files(dir.path()).len(), 9, "a ring of old ones");
    same(&recover(dir.path()).unwrap().0, &stored);
    let after = store(dir.path(), &["c"]);
    same(&recover(dir.path()).unwrap().0, &after);
}

#[test]
fn a_flipped_bit_is_noticed_and_an_older_copy_used() {
    let dir = tempfile::tempdir().unwrap();
    let stored = store(dir.path(), &["a"]);
    for _ in 0..2 {
        snapshot::write(dir.path(), &stored).unwrap();
    }
    let newest = dir.path().join(snapshot::FILE);
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&newest, &bytes).unwrap();
    let (replica, remarks) = recover(dir.path()).unwrap();
    same(&replica, &stored);
    assert!(remarks[0].contains("cannot be used"), "{remarks:?}");
    std::fs::write(dir.path().join("cib-1.xml"), &bytes).unwrap();
    assert!(matches!(recover(dir.path()), Err(recover::RecoverError::Damaged { .. })));
}

#[test]
fn after_a_disk_that_refused_a_snapshot_closes_the_gap() {
    let dir = tempfile::tempdir().unwrap();
    let away = dir.path().join("away");
    let place = dir.path().join("cib");
    let (mut replica, _) = recover(&place).unwrap();
    let mut writer = Writer::open(place.clone()).unwrap();
    std::fs::rename(&place, &away).unwrap();
    assert!(writer.write(vec![Job::Snapshot(Box::new(replica.clone()))]).is_err());
    std::fs::rename(&away, &place).unwrap();
    commit(&mut replica, "a");
    let entry = commit(&mut replica, "b");
    let append = Job::Append(Box::new(entry.clone()), Box::new(replica.clone()));
    assert_eq!(writer.write(vec![append]).unwrap(), Some(entry.version));
    assert_eq!(writer.log.bytes(), 0, "the log would not continue what is there");
    same(&recover(&place).unwrap().0, &replica);
}
