//! Thousands of environments, sensible and not: none makes the reader panic, each error names a variable, no
//! password is shown. And one set of options, whichever way it is given.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::placement::Placement;

/// In every password that is generated.
const MARK: &str = "hunter2";

fn names() -> Vec<String> {
    let known = variables().into_iter().map(|variable| variable.name);
    let numbered = ["", "0", "1", "2", "3", "07", "64", "4294967296"];
    let names = known.flat_map(|name| {
        let number = |n: &&str| name.replace("<n>", n);
        let count = if name.contains("<n>") {
            numbered.len()
        } else {
            1
        };
        numbered.iter().map(number).take(count).collect::<Vec<_>>()
    });
    let others = [
        "ORM_SPLIT_",
        "ORM_SPLIT_X",
        "PATH",
        "DB_MASTER_",
        "DB_SLAVE",
        "POSTGRES_DB",
    ];
    names.chain(others.map(str::to_owned)).collect()
}

fn password() -> impl Strategy<Value = String> {
    (".{0,6}", ".{0,6}").prop_map(|(before, after)| format!("{before}{MARK}{after}"))
}

fn url() -> impl Strategy<Value = String> {
    let scheme = select(vec![
        "postgres",
        "postgresql",
        "mysql",
        "sqlite",
        "oracle",
        "",
    ]);
    let host = select(vec!["p", "r1", "r2", "[::1]", "h:1", "", "a b", "x:99999"]);
    (scheme, host, password(), any::<bool>()).prop_map(|(scheme, host, password, encoded)| {
        let password = match encoded {
            true => {
                percent_encoding::utf8_percent_encode(&password, percent_encoding::NON_ALPHANUMERIC)
                    .to_string()
            }
            false => password,
        };
        format!("{scheme}://app:{password}@{host}/app")
    })
}

fn value() -> impl Strategy<Value = String> {
    let sensible = select(vec![
        "true", "false", "1", "0", "5", "5432", "100", "30s", "10m", "1h", "30000", "5ms", "off",
        "session", "adaptive", "never", "hosts", "urls", "numbered", "db-main", "r1", "::1",
        "/run", "", " ", ",", "a,b", "app",
    ]);
    prop_oneof![
        6 => sensible.prop_map(str::to_owned),
        3 => url(),
        1 => (url(), url()).prop_map(|(one, other)| format!("{one},{other},")),
        1 => ".{0,20}",
        1 => "[0-9]{1,30}[a-z]{0,5}",
    ]
}

/// A password where one belongs, anything elsewhere.
fn variable() -> impl Strategy<Value = (String, String)> {
    (select(names()), value(), password()).prop_map(|(name, value, password)| {
        let is_secret = name.ends_with("_PASSWORD") || name == "ORM_SPLIT_TOKEN_KEYS";
        (name, if is_secret { password } else { value })
    })
}

/// An environment that means something, to be spoiled.
fn base() -> impl Strategy<Value = Vec<(String, String)>> {
    let of = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<Vec<_>>()
    };
    select(vec![
        Vec::new(),
        of(&[
            ("DATABASE_URL", "postgres://app:hunter2@p/app"),
            ("DATABASE_REPLICA_URLS", "postgres://app:hunter2@r/app"),
        ]),
        of(&[
            ("WRITE_DATABASE_URL", "postgres://app:hunter2@p/app"),
            ("READ_DATABASE_URL", "postgres://app:hunter2@r/app"),
        ]),
        of(&[
            ("DB_MASTER_HOST", "p"),
            ("DB_MASTER_USER", "app"),
            ("DB_SLAVE1_HOST", "r"),
        ]),
        of(&[
            ("POSTGRES_MASTER_DB", "app"),
            ("POSTGRES_SLAVE1_PORT", "5433"),
            ("POSTGRES_MASTER_USER", "app"),
        ]),
        of(&[
            ("DB_HOST", "p"),
            ("DB_USER", "app"),
            ("DB_REPLICA_HOST", "r"),
        ]),
        of(&[
            ("DB_HOST", "p"),
            ("DB_USER", "app"),
            (
                "READ_REPLICA_CONNECTION_STRING",
                "postgres://app:hunter2@r/app",
            ),
        ]),
    ])
}

/// The name of a variable stands in it.
fn names_a_variable(error: &str, given: &[(String, String)]) -> bool {
    let is_known = |word: &str| {
        let numbered = word
            .chars()
            .filter(|c| !c.is_ascii_digit())
            .collect::<String>();
        variables()
            .iter()
            .any(|variable| variable.name.replace("<n>", "") == numbered)
            || given.iter().any(|(name, _)| name == word)
    };
    error.split([' ', ':', ',', ';']).any(is_known)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_environment_makes_it_panic_or_show_a_password_and_each_error_names_a_variable(
        base in base(),
        spoiled in prop::collection::vec(variable(), 0..6),
    ) {
        let mut vars = base;
        vars.extend(spoiled);
        let printed = match Settings::from_vars(vars.clone()) {
            Err(error) => {
                let error = error.to_string();
                prop_assert!(names_a_variable(&error, &vars), "{} of {:?}", error, vars);
                error
            }
            Ok(settings) => {
                prop_assert!(settings.validate().is_ok());
                prop_assert!(settings.primary.is_some());
                format!("{settings:?} {:?}", settings.options())
            }
        };
        prop_assert!(!printed.contains(MARK), "{}", printed);
    }
}

/// A text for each option, all of which are accepted together.
fn texts() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let ms = |range: std::ops::Range<u64>| range.prop_map(|ms| format!("{ms}ms"));
    let limit = prop_oneof![
        Just("off".to_owned()),
        (1_u64..86_400).prop_map(|s| format!("{s}s"))
    ];
    let choice = |words: Vec<&'static str>| select(words).prop_map(str::to_owned);
    let secret = "[a-z]{32,40}";
    let rules = (
        choice(vec!["eventual", "session", "process", "strong"]),
        choice(vec!["off", "120s", "1h"]),
        choice(vec!["serve", "fail"]),
        choice(vec!["never", "capped", "always", "1", "12"]),
        choice(vec!["automatic", "opt_in", "shadow"]),
        (0_u8..=100).prop_map(|share| share.to_string()),
        choice(vec!["none", "immutable", "stable"]),
        choice(vec!["true", "false"]),
        (secret, secret).prop_map(|(one, other)| format!("{one},{other}")),
    );
    let times = (
        ms(1..60_000),
        ms(1..60_000),
        ms(0..10_000),
        ms(1..60_000),
        ms(10..60_000),
        ms(1..10),
        ms(60_000..86_400_000),
        ms(1..300_000),
        (limit.clone(), limit, "[a-z]{1,8}"),
    );
    (rules, times).prop_map(|(rules, times)| {
        vec![
            ("consistency", rules.0),
            ("max_staleness", rules.1),
            ("primary_loss", rules.2),
            ("fallback", rules.3),
            ("mode", rules.4),
            ("read_share", rules.5),
            ("user_functions", rules.6),
            ("comment_hints", rules.7),
            ("token_keys", rules.8),
            ("hazard_window", times.0),
            ("checkout_deadline", times.1),
            ("read_wait", times.2),
            ("probe_deadline", times.3),
            ("sample_slow", times.4),
            ("sample_fast", times.5),
            ("probe_reconnect", times.6),
            ("raw_pin", times.7),
            ("catalogue_refresh", "90s".to_owned()),
            ("primary_statement_timeout", times.8.0),
            ("replica_statement_timeout", times.8.1),
            ("zone", times.8.2),
            ("token_lifetime", "2m".to_owned()),
        ]
    })
}

/// What an adapter's builder is to core.
struct Builder {
    options: Options,
    policy: Arc<dyn Select>,
}

#[allow(
    clippy::return_self_not_must_use,
    dead_code,
    unreachable_pub,
    reason = "the methods of all builders, of which one is made here"
)]
impl Builder {
    crate::option_methods!();
}

/// As somebody would write it who calls the builder's methods.
fn built(texts: &[(&str, String)]) -> Options {
    fn of<T: Value>(texts: &[(&str, String)], name: &str) -> T {
        let (_, text) = texts.iter().find(|(field, _)| *field == name).unwrap();
        T::parse(text).unwrap()
    }
    let limit = |name| of::<Limit>(texts, name).duration();
    let time = |name| of::<std::time::Duration>(texts, name);
    let Secrets(secrets) = of(texts, "token_keys");
    let keys = crate::token::TokenKeys::new(&secrets[0]).unwrap();
    let keys = keys.accept(&secrets[1]).unwrap();
    let builder = Builder {
        options: Options::default(),
        policy: Policy::Adaptive.select(),
    };
    let builder = builder
        .consistency(of(texts, "consistency"))
        .max_staleness(limit("max_staleness"))
        .primary_loss(of(texts, "primary_loss"))
        .fallback(of(texts, "fallback"))
        .mode(of(texts, "mode"))
        .read_share(of(texts, "read_share"))
        .user_functions(of(texts, "user_functions"))
        .comment_hints(of(texts, "comment_hints"))
        .token_keys(keys.lifetime(time("token_lifetime")))
        .hazard_window(time("hazard_window"))
        .checkout_deadline(time("checkout_deadline"))
        .read_wait(time("read_wait"))
        .probe_deadline(time("probe_deadline"))
        .sample_intervals(time("sample_slow"), time("sample_fast"))
        .probe_reconnect(time("probe_reconnect"))
        .raw_pin(time("raw_pin"))
        .catalogue_refresh(time("catalogue_refresh"))
        .statement_timeouts(
            limit("primary_statement_timeout"),
            limit("replica_statement_timeout"),
        )
        .zone(of::<Arc<str>>(texts, "zone"));
    drop(builder.policy);
    builder.options
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn options_are_the_same_from_variables_from_a_file_and_from_a_builder(texts in texts()) {
        prop_assert_eq!(texts.len(), OptionSettings::fields().len(), "an option is missing here");
        let url = "postgres://app@p/app";
        let vars = texts.iter().map(|(name, text)| (variable_of(name), text.clone()));
        let vars = vars.chain([("DATABASE_URL".to_owned(), url.to_owned())]);
        let by_variables = Settings::from_vars(vars).unwrap().options().unwrap();
        let by_builder = built(&texts);
        prop_assert_eq!(format!("{by_variables:?}"), format!("{by_builder:?}"));
        #[cfg(feature = "serde")]
        {
            let options: serde_json::Map<_, _> =
                texts.iter().map(|(name, text)| ((*name).to_owned(), text.as_str().into())).collect();
            let file = serde_json::json!({ "primary": url, "options": options });
            let by_file: Settings = serde_json::from_value(file).unwrap();
            let by_file = by_file.options().unwrap();
            prop_assert_eq!(format!("{by_file:?}"), format!("{by_builder:?}"));
        }
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_file_has_the_same_settings_with_numbers_lists_and_booleans_of_its_own() {
    let file = r#"
        use_replicas = true
        primary = "postgres://app:hunter2@p/app"
        policy = "random"

        [[replicas]]
        url = "postgres://app:hunter2@r1/app"
        zone = "eu-1a"
        weight = 2

        [[replicas]]
        url = "postgres://app:hunter2@r2/app"
        weight = 0.5

        [primary_pool]
        max_connections = 10
        idle_time = "off"

        [options]
        max_staleness = "5s"
        read_share = 50
        comment_hints = true
        fallback = 3
        token_keys = ["a secret of, at least, thirty-two bytes"]
    "#;
    let settings: Settings = toml::from_str(file).unwrap();
    settings.validate().unwrap();
    assert_eq!(
        (settings.replicas.len(), settings.policy),
        (2, Some(Policy::Random))
    );
    let heavy = settings.replicas[0].placement();
    assert_eq!(heavy, Placement::new().zone("eu-1a").weight(2));
    assert_eq!(settings.primary_pool.max_connections, Some(10));
    assert_eq!(settings.primary_pool.idle_time, Some(Limit::Off));
    let options = settings.options().unwrap();
    assert_eq!(options.fallback, crate::config::Fallback::CappedAt(3));
    assert!(options.comment_hints && options.token_keys.is_some());
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[cfg(feature = "serde")]
#[test]
fn the_file_in_the_documentation_is_accepted() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, file) = text.split_once("```toml\n").unwrap();
    let (file, _) = file.split_once("```").unwrap();
    let settings: Settings = toml::from_str(file).unwrap();
    settings.validate().unwrap();
    assert_eq!(settings.replica_pool.idle_time, Some(Limit::Off));
}

#[cfg(feature = "serde")]
#[test]
fn what_a_file_may_not_hold_is_refused_by_name_and_a_url_is_not_shown() {
    let told = |file: &str| match toml::from_str::<Settings>(file) {
        Err(error) => error.to_string(),
        Ok(settings) => settings.validate().unwrap_err().to_string(),
    };
    assert!(told("[options]\nread_wait = 10").contains("`30s`"));
    assert!(told("[options]\nread_wait = \"1h\"").starts_with("read_wait: 3600s"));
    assert!(told("[options]\nreed_wait = \"1s\"").contains("reed_wait"));
    assert!(told("").starts_with("primary: nothing"));
    assert!(
        told("[primary_pool]\nmax_connections = 0").starts_with("primary_pool.max_connections")
    );
    let broken = told("primary = \"app:hunter2@p\"");
    assert!(
        broken.starts_with("primary: a URL") && !broken.contains("hunter2"),
        "{broken}"
    );
}
