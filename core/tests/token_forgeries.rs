//! Texts that are passed off as tokens: what is accepted was made with an accepted key, for this history, and
//! lives. The form of tokens is read a second time here, so a change of it is noticed, too.

#![allow(
    clippy::indexing_slicing,
    reason = "a change that is out of range fails the test"
)]

mod fake;
mod forgeries;

use fake::World;
use forgeries::{Fields, SECRETS};
use orm_split_core::{SessionKey, TokenError, TokenRefusal};
use proptest::prelude::*;
use rstest::rstest;

const SIGNS: usize = 0;
const OLDER: usize = 1;
const STRANGER: usize = 2;

/// A primary at 164, whose replica stands at 100.
async fn world() -> World {
    let world = World::start(1, forgeries::options()).await;
    world.primary().set(|primary| primary.position = 164);
    world
}

fn good() -> Fields {
    Fields {
        version: 1,
        expires: forgeries::now() + 60,
        system: 1,
        timeline: 1,
        position: 164,
    }
}

#[rstest]
#[case::good(SIGNS, good(), None)]
#[case::of_the_key_before(OLDER, good(), None)]
#[case::forged(STRANGER, good(), Some(TokenRefusal::Forged))]
#[case::expired(SIGNS, Fields { expires: forgeries::now() - 2, ..good() }, Some(TokenRefusal::Expired))]
#[case::from_1970(SIGNS, Fields { expires: 0, ..good() }, Some(TokenRefusal::Expired))]
#[case::of_another_cluster(SIGNS, Fields { system: 2, ..good() }, Some(TokenRefusal::OtherCluster))]
#[case::of_another_timeline(SIGNS, Fields { timeline: 2, ..good() }, Some(TokenRefusal::OtherTimeline))]
#[case::of_the_future(SIGNS, Fields { position: 165, ..good() }, Some(TokenRefusal::AheadOfPrimary))]
#[case::of_the_end_of_time(SIGNS, Fields { position: u64::MAX, ..good() }, Some(TokenRefusal::AheadOfPrimary))]
#[case::of_a_later_version(SIGNS, Fields { version: 2, ..good() }, Some(TokenRefusal::Malformed))]
#[tokio::test(start_paused = true)]
async fn a_token_is_accepted_only_if_all_of_it_holds(
    #[case] key: usize,
    #[case] fields: Fields,
    #[case] refusal: Option<TokenRefusal>,
) {
    let world = world().await;
    let token = fields.signed(SECRETS[key]);
    let resumed = world.splitter.resume(SessionKey::made(), &token).await;
    assert_eq!(resumed.err(), refusal.map(TokenError::Refused));
    assert_eq!(forgeries::check(&world, &token).await, refusal.is_none());
}

#[tokio::test(start_paused = true)]
async fn ten_megabytes_are_refused_in_no_time_also_if_they_begin_as_a_token() {
    let world = world().await;
    for text in ["A", "\u{ff}", &good().signed(SECRETS[SIGNS])] {
        forgeries::check_long(&world, text).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_holds_its_position_and_nothing_about_hosts_or_users() {
    let world = world().await;
    for position in [200, 1 << 20, 0x7000_1267] {
        let session = SessionKey::made();
        world.primary().set(|primary| primary.position = position);
        world.splitter.wrote(session);
        let token = world.splitter.token([session]).await.unwrap();
        forgeries::check_made(&token, position);
    }
}

#[derive(Clone, Debug)]
enum Change {
    Insert(usize, char),
    Replace(usize, char),
    Remove(usize),
    Truncate(usize),
    Swap(usize, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let character = prop_oneof![
        8 => prop::char::ranges(vec!['A'..='Z', 'a'..='z', '0'..='9', '-'..='-', '_'..='_'].into()),
        1 => any::<char>(),
    ];
    let at = 0_usize..60;
    let change = prop_oneof![
        (at.clone(), character.clone()).prop_map(|(at, to)| Change::Insert(at, to)),
        (at.clone(), character).prop_map(|(at, to)| Change::Replace(at, to)),
        at.clone().prop_map(Change::Remove),
        at.clone().prop_map(Change::Truncate),
        (at.clone(), at).prop_map(|(one, other)| Change::Swap(one, other)),
    ];
    prop::collection::vec(change, 1..4)
}

fn changed(token: &str, changes: &[Change]) -> String {
    let mut text: Vec<char> = token.chars().collect();
    for change in changes {
        let length = text.len();
        match *change {
            Change::Insert(at, to) => text.insert(at.min(length), to),
            Change::Replace(at, to) if at < length => text[at] = to,
            Change::Remove(at) if at < length => drop(text.remove(at)),
            Change::Truncate(at) => text.truncate(at),
            Change::Swap(one, other) if one.max(other) < length => text.swap(one, other),
            Change::Replace(..) | Change::Remove(_) | Change::Swap(..) => {}
        }
    }
    text.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_change_of_a_token_is_accepted(all in prop::collection::vec(changes(), 20)) {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = world().await;
            let token = good().signed(SECRETS[SIGNS]);
            assert!(forgeries::check(&world, &token).await);
            for changes in all {
                forgeries::check_changed(&world, &token, &changed(&token, &changes)).await;
            }
        });
    }
}
