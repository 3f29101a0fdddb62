//! Tables of environments: what each family says, what is refused and in whose name, and what the
//! documentation says of it all.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::config::Consistency;

const PASSWORD: &str = "p%4/:@?#[]ä €'\"\\&=+ ,";

fn settings(vars: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    Settings::from_vars(vars.iter().copied())
}

/// The URLs, the primary's first.
fn urls(vars: &[(&str, &str)]) -> Vec<String> {
    let settings = settings(vars).unwrap();
    let replicas = settings.used_replicas().iter().map(|replica| &replica.url);
    let all = settings.primary.iter().chain(replicas);
    all.map(|url| url.expose().to_owned()).collect()
}

fn refused(vars: &[(&str, &str)]) -> String {
    settings(vars).unwrap_err().to_string()
}

#[rstest]
#[case::ours(
    &[("DATABASE_URL", " postgres://a@p/d\n"), ("DATABASE_REPLICA_URLS", "postgres://a@r1/d , postgres://a@r2/d,,")],
    &["postgres://a@p/d", "postgres://a@r1/d", "postgres://a@r2/d"]
)]
#[case::ours_alone(&[("DATABASE_URL", "postgres://a@p/d"), ("DATABASE_REPLICA_URLS", " ")], &["postgres://a@p/d"])]
#[case::write_read(
    &[("WRITE_DATABASE_URL", "postgres://a@p/d"), ("READ_DATABASE_URL", "postgres://a@r/d")],
    &["postgres://a@p/d", "postgres://a@r/d"]
)]
#[case::write_alone(&[("WRITE_DATABASE_URL", "postgres://a@p/d")], &["postgres://a@p/d"])]
#[case::one_database_for_both(
    &[("WRITE_DATABASE_URL", "postgres://a:x@p/d"), ("READ_DATABASE_URL", "postgres://b:y@p:5432/d")],
    &["postgres://a:x@p/d"]
)]
#[case::numbered(
    &[
        ("DB_MASTER_HOST", "p"), ("DB_MASTER_PORT", "5433"), ("DB_MASTER_NAME", "d"),
        ("DB_MASTER_USER", "a"), ("DB_MASTER_PASSWORD", "x"),
        ("DB_SLAVE10_HOST", "r10"),
        ("DB_SLAVE1_HOST", "r1"), ("DB_SLAVE1_PORT", "5434"), ("DB_SLAVE1_NAME", "e"),
        ("DB_SLAVE1_USER", "b"), ("DB_SLAVE1_PASSWORD", "y"),
        ("DB_SLAVE3_HOST", "r3"), ("DB_SLAVE3_PASSWORD", ""),
    ],
    &["postgres://a:x@p:5433/d", "postgres://b:y@r1:5434/e", "postgres://a@r3:5433/d", "postgres://a:x@r10:5433/d"]
)]
#[case::containers(
    &[
        ("POSTGRES_MASTER_DB", "d"), ("POSTGRES_MASTER_USER", "a"), ("POSTGRES_MASTER_PASSWORD", "x"),
        ("POSTGRES_MASTER_PORT", "5432"), ("POSTGRES_SLAVE1_PORT", "5433"), ("POSTGRES_SLAVE2_PORT", "5434"),
        ("POSTGRES_SLAVE2_DB", "e"),
    ],
    &["postgres://a:x@localhost:5432/d", "postgres://a:x@localhost:5433/d", "postgres://a:x@localhost:5434/e"]
)]
#[case::service(
    &[("DB_HOST", "p"), ("DB_REPLICA_HOST", "replicas.shop.svc"), ("DB_NAME", "d"), ("DB_USER", "a"), ("DB_PASSWORD", "x")],
    &["postgres://a:x@p/d", "postgres://a:x@replicas.shop.svc/d"]
)]
#[case::service_of_its_own_port(
    &[("DB_HOST", "p"), ("DB_PORT", "1"), ("DB_REPLICA_HOST", "p"), ("DB_REPLICA_PORT", "2")],
    &["postgres://p:1", "postgres://p:2"]
)]
#[case::legacy(&[("DB_HOST", "p"), ("DB_PORT", "5432"), ("DB_USER", "a")], &["postgres://a@p:5432"])]
#[case::hospitality(
    &[
        ("USE_READ_REPLICAS", "true"), ("DB_HOST", "p"), ("DB_NAME", "d"), ("DB_USER", "a"), ("DB_PASSWORD", "x"),
        ("READ_REPLICA_CONNECTION_STRING", "postgresql://a:x@r:6432/d"),
    ],
    &["postgres://a:x@p/d", "postgresql://a:x@r:6432/d"]
)]
#[case::switched_off(
    &[
        ("USE_READ_REPLICAS", "false"), ("DB_HOST", "p"),
        ("READ_REPLICA_CONNECTION_STRING", "what is broken does not matter"),
    ],
    &["postgres://p"]
)]
#[case::an_address_of_version_six(&[("DB_HOST", "::1"), ("DB_REPLICA_HOST", "[fe80::2]")], &["postgres://[::1]", "postgres://[fe80::2]"])]
#[case::a_socket(&[("DB_HOST", "/run/postgresql"), ("DB_NAME", "d")], &["postgres://%2Frun%2Fpostgresql/d"])]
#[case::said_which(
    &[("ORM_SPLIT_FAMILY", "Hosts"), ("DB_HOST", "p"), ("DATABASE_URL", "postgres://q/d")],
    &["postgres://p"]
)]
fn a_family_names_its_nodes(#[case] vars: &[(&str, &str)], #[case] expected: &[&str]) {
    assert_eq!(urls(vars), expected);
}

#[test]
fn any_password_user_and_name_come_through() {
    let vars = [
        ("DB_HOST", "p"),
        ("DB_USER", "us:er@%"),
        ("DB_NAME", "d/ä?"),
        ("DB_PASSWORD", PASSWORD),
    ];
    let url = url::Url::parse(urls(&vars).first().unwrap()).unwrap();
    let decoded = |text: &str| {
        let bytes = percent_encoding::percent_decode_str(text);
        bytes.decode_utf8().unwrap().into_owned()
    };
    assert_eq!(decoded(url.password().unwrap()), PASSWORD);
    assert_eq!(decoded(url.username()), "us:er@%");
    assert_eq!(decoded(url.path()), "/d/ä?");
}

#[rstest]
#[case::nothing(&[("HOME", "/root")], "DATABASE_URL", "DB_HOST")]
#[case::blank(&[("DATABASE_URL", " ")], "DATABASE_URL", "nothing")]
#[case::no_url(&[("DATABASE_URL", "db-main")], "DATABASE_URL", "postgres://")]
#[case::unknown_kind(&[("DATABASE_URL", "oracle://db")], "DATABASE_URL", "oracle")]
#[case::no_primary(&[("DATABASE_REPLICA_URLS", "postgres://r/d")], "DATABASE_URL", "nothing")]
#[case::bad_replica(&[("DATABASE_URL", "postgres://p/d"), ("DATABASE_REPLICA_URLS", "x")], "DATABASE_REPLICA_URLS", "postgres://")]
#[case::twice_the_same(&[("DATABASE_URL", "postgres://p/d"), ("DATABASE_REPLICA_URLS", "postgres://p/d")], "DATABASE_REPLICA_URLS", "another server")]
#[case::read_only(&[("READ_DATABASE_URL", "postgres://r/d")], "WRITE_DATABASE_URL", "nothing")]
#[case::ours_and_hosts(&[("DATABASE_URL", "postgres://p/d"), ("DB_HOST", "p")], "DATABASE_URL", "DB_HOST")]
#[case::both_forms(&[("DB_MASTER_HOST", "p"), ("POSTGRES_MASTER_DB", "d")], "DB_MASTER_HOST", "POSTGRES_MASTER_DB")]
#[case::write_read_and_numbered(&[("WRITE_DATABASE_URL", "postgres://p/d"), ("DB_SLAVE1_HOST", "r")], "WRITE_DATABASE_URL", "DB_SLAVE1_HOST")]
#[case::two_ways_of_naming_the_replica(
    &[("DB_HOST", "p"), ("DB_REPLICA_HOST", "r"), ("READ_REPLICA_CONNECTION_STRING", "postgres://r/d")],
    "READ_REPLICA_CONNECTION_STRING", "DB_REPLICA_HOST"
)]
#[case::no_host(&[("DB_MASTER_NAME", "d")], "DB_MASTER_HOST", "nothing")]
#[case::a_replica_without_host(&[("DB_MASTER_HOST", "p"), ("DB_SLAVE2_NAME", "d")], "DB_SLAVE2_HOST", "nothing")]
#[case::without_number(&[("DB_MASTER_HOST", "p"), ("DB_SLAVE_HOST", "r")], "DB_SLAVE_HOST", "DB_SLAVE1_HOST")]
#[case::a_number_too_large(&[("DB_MASTER_HOST", "p"), ("DB_SLAVE99999999999_HOST", "r")], "DB_SLAVE99999999999_HOST", "number")]
#[case::a_number_written_twice(&[("DB_MASTER_HOST", "p"), ("DB_SLAVE01_HOST", "r")], "DB_SLAVE01_HOST", "number")]
#[case::a_port_in_the_host(&[("DB_HOST", "p:5432")], "DB_HOST", "DB_PORT")]
#[case::a_bad_port(&[("DB_HOST", "p"), ("DB_PORT", "0")], "DB_PORT", "65535")]
#[case::no_user(&[("DB_HOST", "p"), ("DB_PASSWORD", "x")], "DB_USER", "DB_PASSWORD")]
#[case::switched_on_for_nothing(&[("DB_HOST", "p"), ("USE_READ_REPLICAS", "true")], "USE_READ_REPLICAS", "replica")]
#[case::no_switch(&[("DB_HOST", "p"), ("USE_READ_REPLICAS", "maybe")], "USE_READ_REPLICAS", "`true`")]
#[case::unknown(&[("DB_HOST", "p"), ("ORM_SPLIT_MAX_STALENES", "1s")], "ORM_SPLIT_MAX_STALENES", "means nothing")]
#[case::unknown_family(&[("DB_HOST", "p"), ("ORM_SPLIT_FAMILY", "X")], "ORM_SPLIT_FAMILY", "`hosts`")]
#[case::twice_set(&[("DB_HOST", "p"), ("DB_MAX_CONNECTIONS", "5"), ("ORM_SPLIT_REPLICA_MAX_CONNECTIONS", "6")], "DB_MAX_CONNECTIONS", "ORM_SPLIT_")]
#[case::no_connections(&[("DB_HOST", "p"), ("DB_MAX_CONNECTIONS", "0")], "DB_MAX_CONNECTIONS", "1 or more")]
#[case::more_at_least_than_at_most(&[("DB_HOST", "p"), ("DB_MAX_CONNECTIONS", "5"), ("DB_MIN_CONNECTIONS", "6")], "DB_MIN_CONNECTIONS", "at most")]
#[case::no_unit(&[("DB_HOST", "p"), ("DB_QUERY_TIMEOUT", "60")], "DB_QUERY_TIMEOUT", "`30s`")]
#[case::not_so_slow(&[("DB_HOST", "p"), ("REPLICA_HEALTH_CHECK_INTERVAL", "61000")], "REPLICA_HEALTH_CHECK_INTERVAL", "60s")]
#[case::out_of_range(&[("DB_HOST", "p"), ("ORM_SPLIT_READ_WAIT", "1h")], "ORM_SPLIT_READ_WAIT", "10s")]
#[case::against_a_default(&[("DB_HOST", "p"), ("ORM_SPLIT_SAMPLE_SLOW", "1ms")], "ORM_SPLIT_SAMPLE_FAST", "1ms")]
#[case::too_long_a_share(&[("DB_HOST", "p"), ("ORM_SPLIT_READ_SHARE", "101")], "ORM_SPLIT_READ_SHARE", "100")]
#[case::a_short_secret(&[("DB_HOST", "p"), ("ORM_SPLIT_TOKEN_KEYS", "short")], "ORM_SPLIT_TOKEN_KEYS", "32 bytes")]
#[case::a_lifetime_of_nothing(&[("DB_HOST", "p"), ("ORM_SPLIT_TOKEN_LIFETIME", "1m")], "ORM_SPLIT_TOKEN_LIFETIME", "token_keys")]
#[case::zones_of_others(&[("DB_HOST", "p"), ("DB_REPLICA_HOST", "r"), ("ORM_SPLIT_REPLICA_ZONES", "a,b")], "ORM_SPLIT_REPLICA_ZONES", "each of the 1")]
#[case::a_weight_of_nothing(&[("DB_HOST", "p"), ("DB_REPLICA_HOST", "r"), ("ORM_SPLIT_REPLICA_WEIGHTS", "0")], "ORM_SPLIT_REPLICA_WEIGHTS", "0.01")]
fn what_cannot_be_meant_is_refused_by_name(
    #[case] vars: &[(&str, &str)],
    #[case] variable: &str,
    #[case] told: &str,
) {
    let error = refused(vars);
    assert!(
        error.starts_with(variable) || error.contains(&format!(" {variable}")),
        "{error}"
    );
    assert!(error.contains(told), "{error}");
}

#[test]
fn too_many_replicas_are_refused_by_the_name_of_their_variable() {
    let urls: Vec<_> = (0..64).map(|n| format!("postgres://r{n}/d")).collect();
    let vars = [
        ("DATABASE_URL", "postgres://p/d"),
        ("DATABASE_REPLICA_URLS", &urls.join(",")),
    ];
    assert!(refused(&vars).starts_with("DATABASE_REPLICA_URLS: 64 replicas"));
}

#[test]
fn what_is_no_utf_8_is_refused_by_name_and_unread_if_it_is_nobodys() {
    let broken = || OsString::from_vec(vec![b'p', 0xff]);
    let vars = [(OsString::from("DB_HOST"), broken())];
    let error = Settings::from_vars(vars).unwrap_err().to_string();
    assert!(
        error.starts_with("DB_HOST: a value that is not UTF-8"),
        "{error}"
    );
    let vars = [
        (OsString::from("DB_HOST"), OsString::from("p")),
        (broken(), OsString::new()),
        (OsString::from("PS1"), broken()),
    ];
    assert!(Settings::from_vars(vars).is_ok());
}

#[test]
fn the_limits_of_a_deployment_hold_for_its_roles() {
    let settings = settings(&[
        ("DB_HOST", "p"),
        ("READ_REPLICA_CONNECTION_STRING", "postgres://r/d"),
        ("DB_MAX_CONNECTIONS", "25"),
        ("DB_MIN_CONNECTIONS", "5"),
        ("DB_MAX_IDLE_TIME", "10m"),
        ("DB_MAX_LIFETIME", "0"),
        ("DB_CONNECTION_TIMEOUT", "30s"),
        ("DB_QUERY_TIMEOUT", "60s"),
        ("REPLICA_QUERY_TIMEOUT", "1m30s"),
        ("REPLICA_CONNECTION_TIMEOUT", "20s"),
        ("REPLICA_HEALTH_CHECK_INTERVAL", "30000"),
    ]);
    let settings = settings.unwrap();
    let seconds = Duration::from_secs;
    for (pool, connect) in [(&settings.primary_pool, 30), (&settings.replica_pool, 20)] {
        assert_eq!(
            (pool.max_connections, pool.min_connections),
            (Some(25), Some(5))
        );
        assert_eq!(pool.idle_time, Some(Limit::Within(seconds(600))));
        assert_eq!(pool.lifetime, Some(Limit::Off));
        assert_eq!(pool.connection_timeout, Some(seconds(connect)));
    }
    let options = settings.options().unwrap();
    assert_eq!(options.primary_statement_timeout, Some(seconds(60)));
    assert_eq!(options.replica_statement_timeout, Some(seconds(90)));
    // what else has to fit to the interval follows it
    assert_eq!(options.sample_slow, seconds(30));
    assert_eq!(options.probe_reconnect, seconds(30));
    assert_eq!(options.max_staleness, Some(seconds(60)));
}

#[test]
fn the_documentation_lists_every_variable_with_what_it_takes_and_its_default() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let is_variable = |line: &&str| {
        let name = line.strip_prefix("| `");
        name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let rows = text.lines().filter(is_variable);
    let rows: Vec<Vec<&str>> = rows
        .map(|row| row.split(" | ").map(str::trim).collect())
        .collect();
    let documented: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row[0].trim_matches(['|', ' ', '`']).to_owned(),
                row[1].to_owned(),
            )
        })
        .collect();
    let read: Vec<_> = variables()
        .into_iter()
        .map(|it| (it.name, it.accepted))
        .collect();
    assert_eq!(documented, read);
    for row in &rows {
        let name = row[0].trim_matches(['|', ' ', '`']);
        let default = row[2].trim_matches('`');
        let is_option = OptionSettings::fields()
            .iter()
            .any(|(field, _)| variable_of(field) == name);
        if is_option && default != "none" && name != "ORM_SPLIT_TOKEN_LIFETIME" {
            let vars = [("DATABASE_URL", "postgres://p/d"), (name, default)];
            let options = settings(&vars).unwrap().options().unwrap();
            assert_eq!(
                format!("{options:?}"),
                format!("{:?}", Options::default()),
                "{name}"
            );
        }
    }
}

#[test]
fn every_option_has_a_variable() {
    let printed = format!("{:#?}", Options::default());
    let fields = printed.lines().filter_map(|line| {
        let field = line
            .strip_prefix("    ")
            .filter(|line| !line.starts_with([' ', ')', '}']))?;
        field.split_once(':').map(|(name, _)| name)
    });
    let settings: Vec<_> = OptionSettings::fields()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let mut count = 0;
    // an adapter sets the last one when it is given a hook
    for field in fields.filter(|field| *field != "sessions_are_prepared") {
        assert!(
            settings.contains(&field),
            "{field} cannot be set by a variable"
        );
        count += 1;
    }
    assert!(count > 15, "{printed}");
}

#[test]
fn a_process_without_variables_of_ours_is_told_so() {
    // nothing is set in the environment of the tests
    let error = Settings::from_env().unwrap_err();
    assert_eq!(error.field, "DATABASE_URL");
}

#[test]
fn off_switches_the_bound_off_and_words_are_read_in_either_case() {
    let settings = settings(&[
        ("DATABASE_URL", "postgres://p/d"),
        ("ORM_SPLIT_MAX_STALENESS", "OFF"),
        ("ORM_SPLIT_CONSISTENCY", "Strong"),
        ("ORM_SPLIT_MODE", "opt-in"),
        ("ORM_SPLIT_FALLBACK", "7"),
    ]);
    let options = settings.unwrap().options().unwrap();
    assert_eq!(
        (options.max_staleness, options.consistency),
        (None, Consistency::Strong)
    );
    assert_eq!(options.mode, crate::mode::Mode::OptIn);
    assert_eq!(options.fallback, crate::config::Fallback::CappedAt(7));
}
