//! Types of the application's own under Diesel: enums, domains, composites and arrays of them, bound and
//! read on every node. Binds need their identifiers, which only a server knows.

use anyhow::{Context, Result, ensure};
use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use orm_split::diesel::{Consistency, Role};
use orm_split_tests::diesel_app::{self, Pool, where_it_ran};
use orm_split_tests::kit::postgres::{Database, Delay, shared};

/// What an application writes for types of its own.
#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::wildcard_enum_match_arm,
    reason = "as Diesel's guide writes it"
)]
mod types {
    use std::io::Write;

    use diesel::deserialize::{self, FromSql, FromSqlRow};
    use diesel::expression::AsExpression;
    use diesel::pg::{Pg, PgValue};
    use diesel::query_builder::QueryId;
    use diesel::serialize::{self, IsNull, Output, ToSql, WriteTuple};
    use diesel::sql_types::{Integer, Record, SqlType, Text};

    #[derive(SqlType, QueryId)]
    #[diesel(postgres_type(name = "mood"))]
    pub struct MoodType;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
    #[diesel(sql_type = MoodType)]
    pub enum Mood {
        Happy,
        Sad,
    }

    impl ToSql<MoodType, Pg> for Mood {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            out.write_all(match self {
                Self::Happy => b"happy",
                Self::Sad => b"sad",
            })?;
            Ok(IsNull::No)
        }
    }

    impl FromSql<MoodType, Pg> for Mood {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            match value.as_bytes() {
                b"happy" => Ok(Self::Happy),
                b"sad" => Ok(Self::Sad),
                _ => Err("another mood".into()),
            }
        }
    }

    #[derive(SqlType, QueryId)]
    #[diesel(postgres_type(name = "nickname"))]
    pub struct NicknameType;

    #[derive(Clone, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
    #[diesel(sql_type = NicknameType)]
    pub struct Nickname(pub String);

    impl ToSql<NicknameType, Pg> for Nickname {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            ToSql::<Text, Pg>::to_sql(&self.0, out)
        }
    }

    impl FromSql<NicknameType, Pg> for Nickname {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            FromSql::<Text, Pg>::from_sql(value).map(Self)
        }
    }

    /// In a schema that is not on the search path, and with an enum inside.
    #[derive(SqlType, QueryId)]
    #[diesel(postgres_type(name = "spot", schema = "geo"))]
    pub struct SpotType;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
    #[diesel(sql_type = SpotType)]
    pub struct Spot {
        pub at: i32,
        pub mood: Mood,
    }

    impl ToSql<SpotType, Pg> for Spot {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            WriteTuple::<(Integer, MoodType)>::write_tuple(&(self.at, self.mood), out)
        }
    }

    impl FromSql<SpotType, Pg> for Spot {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            let (at, mood) = FromSql::<Record<(Integer, MoodType)>, Pg>::from_sql(value)?;
            Ok(Self { at, mood })
        }
    }

    diesel::table! {
        use diesel::sql_types::{Array, Integer};
        use super::{MoodType, NicknameType, SpotType};

        person (id) {
            id -> Integer,
            mood -> MoodType,
            past -> Array<MoodType>,
            nickname -> NicknameType,
            others -> Array<NicknameType>,
            home -> SpotType,
            visited -> Array<SpotType>,
        }
    }

    #[derive(Clone, Debug, PartialEq, Eq, diesel::Insertable, diesel::Queryable)]
    #[diesel(table_name = person)]
    pub struct Person {
        pub id: i32,
        pub mood: Mood,
        pub past: Vec<Mood>,
        pub nickname: Nickname,
        pub others: Vec<Nickname>,
        pub home: Spot,
        pub visited: Vec<Spot>,
    }
}
use types::{Mood, Nickname, Person, Spot, person};

const TABLE: &str = "CREATE TYPE geo.spot AS (at int, mood mood); \
     CREATE TABLE person (id int PRIMARY KEY, mood mood NOT NULL, past mood[] NOT NULL, \
     nickname nickname NOT NULL, others nickname[] NOT NULL, \
     home geo.spot NOT NULL, visited geo.spot[] NOT NULL)";

async fn database() -> Result<(Database, Pool)> {
    let database = shared(Delay::None).await?.create_database().await?;
    let pool = diesel_app::builder(&database).build().await?;
    let types = "CREATE SCHEMA geo; CREATE TYPE mood AS ENUM ('happy', 'sad'); \
                 CREATE DOMAIN nickname AS text CHECK (length(VALUE) < 10);";
    let conn = &mut pool.get().await?;
    conn.batch_execute(&format!("{types} {TABLE}")).await?;
    Ok((database, pool))
}

fn ada() -> Person {
    let spot = |at, mood| Spot { at, mood };
    Person {
        id: 1,
        mood: Mood::Happy,
        past: vec![Mood::Sad, Mood::Happy],
        nickname: Nickname("ada".to_owned()),
        others: vec![Nickname("a".to_owned()), Nickname("lady".to_owned())],
        home: spot(7, Mood::Sad),
        visited: vec![spot(8, Mood::Happy), spot(9, Mood::Sad)],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_of_ones_own_are_bound_and_read_on_a_replica_that_is_asked_first() -> Result<()> {
    let (database, pool) = database().await?;
    let conn = &mut pool.get().await?;
    let insert = diesel::insert_into(person::table).values(ada());
    let made: Person = insert.get_result(conn).await?;
    ensure!(made == ada(), "read back by the write itself: {made:?}");
    diesel_app::wait_until_replicas_serve(&pool).await?;
    // nothing is known of any type: each statement is the first one of a pool
    for bound in 0..7 {
        let fresh = diesel_app::builder(&database).build().await?;
        diesel_app::wait_until_replicas_serve(&fresh).await?;
        let conn = &mut fresh.get().await?;
        let ada = ada();
        let all = person::table.into_boxed();
        let query = match bound {
            0 => all.filter(person::mood.eq(ada.mood)),
            1 => all.filter(person::past.eq(&ada.past)),
            2 => all.filter(person::nickname.eq(&ada.nickname)),
            3 => all.filter(person::others.eq(&ada.others)),
            4 => all.filter(person::home.eq(ada.home)),
            5 => all.filter(person::visited.eq(&ada.visited)),
            _ => all
                .filter(person::visited.eq(&ada.visited))
                .filter(person::home.eq(ada.home))
                .filter(person::mood.eq_any(&ada.past)),
        };
        let (found, role) = where_it_ran(&fresh, query.load::<Person>(conn)).await?;
        let found = found.with_context(|| format!("bind {bound}"))?;
        ensure!(found == [ada], "bind {bound}: {found:?}");
        ensure!(role == Some(Role::Replica), "bind {bound} ran on {role:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_is_made_again_is_looked_up_again() -> Result<()> {
    let (_database, pool) = database().await?;
    let insert = || diesel::insert_into(person::table).values(ada());
    insert().execute(&mut pool.get().await?).await?;
    // their identifiers are others now
    let again = "DROP TABLE person; DROP TYPE geo.spot; DROP TYPE mood; \
                 CREATE TYPE mood AS ENUM ('sad', 'happy');";
    let conn = &mut pool.get().await?;
    conn.batch_execute(&format!("{again} {TABLE}")).await?;
    // the first to use the old ones may fail, as without us; nobody after it
    drop(insert().execute(&mut pool.get().await?).await);
    drop(diesel::delete(person::table).execute(conn).await);
    for _ in 0..3 {
        let conn = &mut pool.get().await?;
        insert().execute(conn).await?;
        diesel::delete(person::table).execute(conn).await?;
    }
    Ok(())
}

/// Which type a name means is a matter of the search path; two tenants have each their own.
#[tokio::test(flavor = "multi_thread")]
async fn each_tenants_type_of_one_name_is_its_own() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let builder = diesel_app::builder(&database).consistency(Consistency::Eventual);
    let pool = builder.build().await?;
    for tenant in ["one", "other"] {
        let objects = format!(
            "CREATE SCHEMA {tenant}; CREATE TYPE {tenant}.mood AS ENUM ('sad', 'happy'); \
             CREATE TABLE {tenant}.feeling (id int PRIMARY KEY, mood {tenant}.mood NOT NULL)"
        );
        pool.get().await?.batch_execute(&objects).await?;
    }
    for round in 0..2 {
        for tenant in ["one", "other"] {
            let conn = &mut pool.get().await?;
            let path = format!("SET search_path TO {tenant}");
            diesel::sql_query(path).execute(conn).await?;
            let insert = diesel::sql_query("INSERT INTO feeling VALUES ($1, $2)")
                .bind::<diesel::sql_types::Integer, _>(round)
                .bind::<types::MoodType, _>(Mood::Sad);
            let inserted = insert.execute(conn).await;
            inserted.with_context(|| format!("round {round} of {tenant}"))?;
        }
    }
    Ok(())
}
