//! TLS to PostgreSQL under Diesel, against a server that has a certificate for `localhost`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use orm_split_tests::diesel_app::{self, Pool};
use orm_split_tests::kit::postgres::{Cluster, Node};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::time::timeout;

/// An authority, and the certificate and key that it made for `localhost`.
fn certificates() -> Result<[String; 3]> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let known = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["localhost".to_owned()])?;
    let server = server.signed_by(&key, &issuer)?.pem();
    Ok([known, server, key.serialize_pem()])
}

/// The server's own user writes its files, so that nobody else may read the key.
async fn speak_tls(node: &Node, certificate: &str, key: &str) -> Result<()> {
    for (file, text) in [("server.crt", certificate), ("server.key", key)] {
        node.sql(&format!(
            "COPY (SELECT unnest(string_to_array('{}', E'\\n'))) TO PROGRAM 'umask 077; cat > {file}'",
            text.trim()
        ))
        .await?;
    }
    node.sql("ALTER SYSTEM SET ssl = on").await?;
    node.sql("SELECT pg_reload_conf()").await
}

/// Whether the connection on which it runs is encrypted; on the primary, since only that is asked for.
async fn is_encrypted(pool: &Pool) -> Result<bool> {
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let conn = &mut pool.get().await?;
    Ok(diesel::dsl::sql::<Bool>(query).get_result(conn).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_url_says_how_much_is_asked_of_the_servers_certificate() -> Result<()> {
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let [authority, certificate, key] = certificates()?;
    for node in cluster.nodes() {
        speak_tls(node, &certificate, &key).await?;
    }
    let folder = tempfile::tempdir()?;
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, authority)?;
    let others = folder.path().join("others.pem");
    std::fs::write(&others, &certificates()?[0])?;
    let replica = database.replica_urls().first().context("a replica")?;
    let built = async |host: &str, query: &str| {
        let url = |url: &str| format!("{}?{query}", url.replace("127.0.0.1", host));
        let builder = Pool::builder().primary(url(database.primary_url()));
        builder.replica(url(replica)).build().await
    };
    let speaks_tls = async {
        while built("localhost", "sslmode=require").await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(10), speaks_tls)
        .await
        .context("the servers do not speak TLS")?;
    let (roots, others) = (roots.display(), others.display());
    let accepted = [
        ("127.0.0.1", "sslmode=require".to_owned()),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca&sslrootcert={roots}"),
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={roots}"),
        ),
    ];
    for (host, query) in accepted {
        let pool = built(host, &query).await.with_context(|| query.clone())?;
        ensure!(is_encrypted(&pool).await?, "{query}");
        diesel_app::wait_until_replicas_serve(&pool).await?;
        let conn = &mut pool.get().await?;
        let one: i32 = diesel::dsl::sql::<diesel::sql_types::Integer>("SELECT 1")
            .get_result(conn)
            .await?;
        ensure!(one == 1);
    }
    let refused = [
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={roots}"),
            "name",
        ),
        (
            "localhost",
            format!("sslmode=verify-ca&sslrootcert={others}"),
            "certificate",
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={others}"),
            "certificate",
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=/no/such/file".to_owned(),
            "sslrootcert",
        ),
    ];
    for (host, query, cause) in refused {
        let error = built(host, &query).await.err().context(query.clone())?;
        let text = error.to_string();
        println!("{text}");
        ensure!(
            text.contains("primary") && text.contains(cause),
            "{query}: {text}"
        );
    }
    Ok(())
}
