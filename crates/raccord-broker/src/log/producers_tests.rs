use super::*;
use crate::log::batch::{NewRecord, ProducerTag, build};

fn header(id: i64, epoch: i16, sequence: i32, count: usize, offset: i64, transactional: bool) -> Header {
    let record = NewRecord { key: None, value: None, timestamp_ms: 1 };
    let tag = transactional.then_some(ProducerTag { producer_id: id, producer_epoch: epoch });
    let bytes = build(&vec![record; count], tag, false);
    let mut header = Header::parse(&bytes).expect("a built batch parses");
    header.producer_id = id;
    header.producer_epoch = epoch;
    header.base_sequence = sequence;
    header.base_offset = offset;
    header
}

fn marker(id: i64, epoch: i16, offset: i64) -> Header {
    header(id, epoch, -1, 1, offset, true)
}

#[test]
fn the_last_five_batches_are_recognised_and_the_sixth_is_out_of_order() {
    let mut producers = Producers::default();
    for i in 0..6 {
        let h = header(7, 0, i * 10, 10, i64::from(i) * 10, false);
        assert_eq!(producers.check(&h).expect("in order"), Verdict::Append);
        producers.note(&h);
    }
    for i in 1..6 {
        let Verdict::Duplicate(seen) = producers.check(&header(7, 0, i * 10, 10, 0, false)).expect("known")
        else {
            panic!("batch {i} must be a duplicate");
        };
        assert_eq!(seen.first_offset, i64::from(i) * 10);
    }
    for (sequence, expected) in [(0, 60), (61, 60), (70, 60)] {
        match producers.check(&header(7, 0, sequence, 10, 0, false)) {
            Err(LogError::Sequence { offered, expected: e, .. }) => {
                assert_eq!((offered, e), (sequence, expected))
            }
            other => panic!("sequence {sequence}: {other:?}"),
        }
    }
}

#[test]
fn epochs_fence_and_begin_again() {
    let mut producers = Producers::default();
    producers.note(&header(7, 1, 0, 3, 0, false));
    assert!(matches!(producers.check(&header(7, 0, 3, 1, 0, false)), Err(LogError::ProducerEpoch { .. })));
    assert!(matches!(
        producers.check(&header(7, 2, 3, 1, 0, false)),
        Err(LogError::Sequence { expected: 0, .. })
    ));
    assert_eq!(producers.check(&header(7, 2, 0, 1, 0, false)).expect("new epoch"), Verdict::Append);
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    assert_eq!(
        Producers::default().check(&header(1, 4, 99, 1, 0, false)).expect("accepted"),
        Verdict::Append
    );
}

#[test]
fn sequence_wraps() {
    let mut producers = Producers::default();
    producers.note(&header(7, 0, i32::MAX - 1, 2, 0, false));
    assert_eq!(producers.check(&header(7, 0, 0, 1, 0, false)).expect("wrapped"), Verdict::Append);
}

#[test]
fn the_first_undecided_offset_follows_the_markers() {
    let mut producers = Producers::default();
    producers.note(&header(1, 0, 0, 2, 10, true));
    producers.note(&header(2, 0, 0, 1, 12, true));
    producers.note(&header(1, 0, 2, 2, 13, true));
    assert_eq!(producers.first_unstable(), Some(10));
    assert!(matches!(producers.check(&header(1, 0, 4, 1, 0, false)), Err(LogError::TransactionState(_))));
    let aborted = producers.note_marker(&marker(1, 0, 15), 0, false);
    assert_eq!(aborted, Some(Aborted { producer_id: 1, first_offset: 10, last_offset: 15 }));
    assert_eq!(producers.first_unstable(), Some(12));
    assert_eq!(producers.note_marker(&marker(2, 0, 16), 0, true), None);
    assert_eq!(producers.first_unstable(), None);
    assert_eq!(producers.note_marker(&marker(2, 0, 17), 0, false), None, "no transaction is open");
}

#[test]
fn markers_of_old_coordinators_are_refused() {
    let mut producers = Producers::default();
    producers.note_marker(&marker(1, 3, 0), 5, true);
    assert!(producers.check_marker(1, 3, 5).is_ok());
    assert!(matches!(producers.check_marker(1, 3, 4), Err(LogError::CoordinatorFenced { .. })));
    assert!(matches!(producers.check_marker(1, 2, 5), Err(LogError::ProducerEpoch { .. })));
}

#[test]
fn state_survives_its_file_form_and_idle_producers_expire() {
    let mut producers = Producers::default();
    producers.note(&header(1, 0, 0, 2, 10, true));
    producers.note(&header(2, 0, 0, 1, 12, false));
    let json = serde_json::to_string(&producers).expect("encodes");
    let mut back = serde_json::from_str::<Producers>(&json).expect("decodes").restored();
    assert_eq!(back, producers);
    back.expire(2);
    assert_eq!(back.iter().map(|(id, _)| *id).collect::<Vec<_>>(), vec![1], "open transactions stay");
}
