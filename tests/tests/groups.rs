//! Several replicas behind one address, which a balancer leads to in turn: under either ORM.

use anyhow::Result;
use orm_split::sea_orm::SplitConnection;
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::groups;

#[tokio::test(flavor = "multi_thread")]
async fn both_members_take_reads_and_none_that_is_too_old() -> Result<()> {
    groups::both_members_take_reads_and_none_that_is_too_old::<SplitConnection>().await
}

#[tokio::test(flavor = "multi_thread")]
async fn under_diesel_both_members_take_reads_and_none_that_is_too_old() -> Result<()> {
    groups::both_members_take_reads_and_none_that_is_too_old::<Pool>().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_beyond_the_bound_takes_no_reads() -> Result<()> {
    groups::a_member_beyond_the_bound_takes_no_reads::<SplitConnection>().await
}

#[tokio::test(flavor = "multi_thread")]
async fn under_diesel_a_member_beyond_the_bound_takes_no_reads() -> Result<()> {
    groups::a_member_beyond_the_bound_takes_no_reads::<Pool>().await
}

#[tokio::test(flavor = "multi_thread")]
async fn backends_that_come_and_go_are_followed_and_no_read_fails() -> Result<()> {
    groups::backends_that_come_and_go_are_followed_and_no_read_fails::<SplitConnection>().await
}

#[tokio::test(flavor = "multi_thread")]
async fn under_diesel_backends_that_come_and_go_are_followed_and_no_read_fails() -> Result<()> {
    groups::backends_that_come_and_go_are_followed_and_no_read_fails::<Pool>().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_reads_backwards() -> Result<()> {
    groups::no_session_reads_backwards::<SplitConnection>().await
}

#[tokio::test(flavor = "multi_thread")]
async fn under_diesel_no_session_reads_backwards() -> Result<()> {
    groups::no_session_reads_backwards::<Pool>().await
}
