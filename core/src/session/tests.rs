//! Floors, pins and what is forgotten.

use super::*;

const NOW: Moment = Moment(1_000);

#[test]
fn a_session_that_wrote_nothing_has_no_floor() {
    let sessions = Sessions::new(true);
    assert_eq!(sessions.floor(None, NOW), Floor::default());
    sessions.wrote(key_of_another_thread(), Moment(7));
    assert_eq!(sessions.floor(None, NOW), Floor::default());
}

#[test]
fn a_floor_never_goes_down() {
    let sessions = Sessions::new(true);
    let key = SessionKey::current();
    sessions.wrote(key, Moment(9));
    sessions.wrote(key, Moment(7));
    assert_eq!(sessions.floor(None, NOW).at, Moment(9));
}

#[test]
fn a_raw_handle_pins_and_then_leaves_a_floor_at_the_end_of_its_pin() {
    let sessions = Sessions::new(true);
    sessions.holds_raw_handle(SessionKey::current(), Moment(2_000));
    assert_eq!(sessions.floor(None, NOW).pin, Some(Pin::RawHandle));
    let after = sessions.floor(None, Moment(2_000));
    assert_eq!((after.pin, after.at), (None, Moment(2_000)));
}

#[test]
fn a_raw_transaction_pins_until_its_end() {
    let sessions = Sessions::new(true);
    let key = SessionKey::current();
    sessions.in_raw_transaction(key, true);
    sessions.forget(Moment(u64::MAX), NOW);
    assert_eq!(sessions.floor(None, NOW).pin, Some(Pin::RawTransaction));
    sessions.in_raw_transaction(key, false);
    assert_eq!(sessions.floor(None, NOW).pin, None);
}

#[test]
fn what_is_forgotten_becomes_a_floor_for_everyone() {
    let sessions = Sessions::new(true);
    sessions.wrote(key_of_another_thread(), Moment(7));
    sessions.forget(Moment(7), NOW);
    assert_eq!(sessions.len(), 1, "strictly greater: instants can tie");
    sessions.forget(Moment(8), NOW);
    assert_eq!(sessions.len(), 0);
    assert_eq!(sessions.floor(None, NOW).at, Moment(7));
}

#[test]
fn memory_is_bounded_without_losing_a_write() {
    let sessions = Sessions::with_capacity(100);
    let mine = SessionKey::current();
    sessions.wrote(mine, Moment(1));
    for at in 2..1_000 {
        sessions.wrote(key_of_another_thread(), Moment(at));
    }
    assert!(sessions.len() <= 100);
    assert!(sessions.floor(None, NOW).at >= Moment(1));
}

#[test]
fn a_full_map_folds_neither_open_transactions_nor_pins() {
    let sessions = Sessions::with_capacity(10);
    let mine = SessionKey::current();
    sessions.in_raw_transaction(mine, true);
    sessions.holds_raw_handle(key_of_another_thread(), Moment(9_000));
    for at in 1..100 {
        sessions.wrote(key_of_another_thread(), Moment(at));
    }
    let floor = sessions.floor(None, NOW);
    assert_eq!(floor.pin, Some(Pin::RawTransaction));
    assert!(floor.at < NOW, "a floor in the future: {floor:?}");
}

#[test]
fn a_handle_is_a_session_on_top_of_its_task() {
    let sessions = Sessions::new(true);
    let (mine, other) = (SessionKey::made(), SessionKey::made());
    sessions.wrote(SessionKey::current(), Moment(5));
    sessions.wrote(mine, Moment(7));
    assert_eq!(sessions.floor(None, NOW).at, Moment(5));
    assert_eq!(sessions.floor(Some(mine), NOW).at, Moment(7));
    assert_eq!(sessions.floor(Some(other), NOW).at, Moment(5));
}

#[test]
fn state_of_a_connection_holds_its_handle_and_nobody_else_until_it_ends() {
    let sessions = Sessions::new(true);
    let key = SessionKey::made();
    sessions.has_state(key);
    sessions.forget(Moment(u64::MAX), NOW);
    assert_eq!(sessions.held(key), Some(Pin::SessionState));
    assert_eq!(sessions.floor(Some(key), NOW).pin, Some(Pin::SessionState));
    assert_eq!(sessions.floor(None, NOW).pin, None);
    sessions.end(key);
    assert_eq!((sessions.held(key), sessions.len()), (None, 0));
}

#[test]
fn a_raw_handle_of_the_task_does_not_hide_the_state_of_a_handle() {
    let sessions = Sessions::new(true);
    let handle = SessionKey::made();
    sessions.holds_raw_handle(SessionKey::current(), Moment(2_000));
    sessions.has_state(handle);
    let pin = |handle| sessions.floor(handle, NOW).pin;
    assert_eq!(pin(Some(handle)), Some(Pin::SessionState));
    assert_eq!(pin(None), Some(Pin::RawHandle));
    sessions.in_raw_transaction(handle, true);
    assert_eq!(pin(Some(handle)), Some(Pin::RawTransaction));
}

#[test]
fn the_floor_of_all_is_what_any_session_wrote() {
    let sessions = Sessions::new(true);
    assert_eq!(sessions.floor_of_all(None, NOW), Floor::default());
    sessions.wrote(key_of_another_thread(), Moment(9));
    sessions.wrote(SessionKey::current(), Moment(7));
    assert_eq!(sessions.floor_of_all(None, NOW).at, Moment(9));
    sessions.forget(Moment(8), NOW);
    assert_eq!(sessions.floor_of_all(None, NOW).at, Moment(9));
}

#[test]
fn a_raw_handle_of_any_session_pins_all_but_a_raw_transaction_only_its_own() {
    let sessions = Sessions::new(true);
    let other = key_of_another_thread();
    sessions.in_raw_transaction(other, true);
    assert_eq!(sessions.floor_of_all(None, NOW).pin, None);
    sessions.holds_raw_handle(other, Moment(2_000));
    let floor = sessions.floor_of_all(None, NOW);
    assert_eq!(floor.pin, Some(Pin::RawHandle));
    let after = sessions.floor_of_all(None, Moment(2_000));
    assert_eq!((after.pin, after.at), (None, Moment(2_000)));
    sessions.in_raw_transaction(SessionKey::current(), true);
    let floor = sessions.floor_of_all(None, NOW);
    assert_eq!(floor.pin, Some(Pin::RawTransaction));
}

fn key_of_another_thread() -> SessionKey {
    std::thread::spawn(SessionKey::current).join().unwrap()
}
