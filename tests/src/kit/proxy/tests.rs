use std::io::ErrorKind;
use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::*;
use crate::kit::wait::until;

/// What has surely not happened if it has not within this.
const SILENCE: Duration = Duration::from_millis(150);

/// Says to whoever connects what it is told, until it is told nothing.
#[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
async fn server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                let _ended = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    port
}

async fn start() -> FaultProxy {
    FaultProxy::start(server().await).await.unwrap()
}

async fn connect(proxy: &FaultProxy) -> std::io::Result<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await
}

async fn echo(client: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    client.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    client.read_exact(&mut answer).await?;
    Ok(answer)
}

/// A connection that has been answered once.
async fn used(proxy: &FaultProxy) -> TcpStream {
    let mut client = connect(proxy).await.unwrap();
    assert_eq!(echo(&mut client, b"hello").await.unwrap(), b"hello");
    client
}

async fn is_silent(client: &mut TcpStream) -> bool {
    timeout(SILENCE, echo(client, b"?")).await.is_err()
}

async fn reads_error(client: &mut TcpStream) -> ErrorKind {
    client.read_u8().await.unwrap_err().kind()
}

#[tokio::test]
async fn a_refusing_port_is_closed_and_open_connections_are_reset_until_it_is_healed() {
    let proxy = start().await;
    let mut open = used(&proxy).await;
    proxy.befall(Fault::Refuse).await.unwrap();
    assert_eq!(reads_error(&mut open).await, ErrorKind::ConnectionReset);
    let refused = connect(&proxy).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.heal().await.unwrap();
    used(&proxy).await;
}

#[tokio::test]
async fn a_black_hole_accepts_and_says_nothing_and_lets_it_through_afterwards() {
    let proxy = start().await;
    let mut open = used(&proxy).await;
    proxy.befall(Fault::BlackHole).await.unwrap();
    assert!(is_silent(&mut open).await);
    let mut later = connect(&proxy).await.unwrap();
    assert!(is_silent(&mut later).await);
    proxy.heal().await.unwrap();
    for client in [&mut open, &mut later] {
        assert_eq!(client.read_u8().await.unwrap(), b'?');
    }
}

#[tokio::test]
async fn a_resetting_address_resets_what_is_open_and_what_is_opened() {
    let proxy = start().await;
    let mut open = used(&proxy).await;
    proxy.befall(Fault::Reset).await.unwrap();
    assert_eq!(reads_error(&mut open).await, ErrorKind::ConnectionReset);
    match connect(&proxy).await {
        Ok(mut later) => assert_eq!(reads_error(&mut later).await, ErrorKind::ConnectionReset),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    proxy.heal().await.unwrap();
    used(&proxy).await;
}

#[tokio::test]
async fn a_delay_is_added_each_way_and_makes_no_line_slow() {
    let delay = Duration::from_millis(100);
    let proxy = start().await;
    let mut client = used(&proxy).await;
    proxy.befall(Fault::Delay(delay)).await.unwrap();
    let started = Instant::now();
    // far more than one chunk, so that chunks which wait for each other would take seconds
    let text = vec![b'x'; 40 * 8_192];
    let (mut from, mut to) = client.split();
    let mut answer = vec![0; text.len()];
    let both = tokio::join!(to.write_all(&text), from.read_exact(&mut answer));
    both.0.unwrap();
    both.1.unwrap();
    let took = started.elapsed();
    assert!(
        took >= 2 * delay && took < Duration::from_secs(2),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_stall_holds_back_one_way_only() {
    let proxy = start().await;
    let mut client = used(&proxy).await;
    for way in [Way::ToServer, Way::ToClient] {
        proxy.befall(Fault::Stall(way)).await.unwrap();
        assert!(is_silent(&mut client).await, "{way:?}");
        proxy.heal().await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'?');
    }
}

#[tokio::test]
async fn an_answer_is_cut_after_so_many_bytes() {
    let proxy = start().await;
    let mut client = used(&proxy).await;
    proxy.befall(Fault::CutAfter(7)).await.unwrap();
    assert_eq!(echo(&mut client, b"1234").await.unwrap(), b"1234");
    client.write_all(b"567890").await.unwrap();
    let mut rest = Vec::new();
    let ended = client.read_to_end(&mut rest).await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(rest, b"567");
}

#[tokio::test]
async fn only_who_sends_a_text_is_reset_for_it() {
    let proxy = start().await;
    let [mut one, mut other] = [used(&proxy).await, used(&proxy).await];
    let fault = Fault::ResetOn("FROM orders".to_owned());
    proxy.befall(fault).await.unwrap();
    one.write_all(b"SELECT id FROM orders LIMIT 1")
        .await
        .unwrap();
    assert_eq!(reads_error(&mut one).await, ErrorKind::ConnectionReset);
    assert_eq!(echo(&mut other, b"SELECT 1").await.unwrap(), b"SELECT 1");
}

#[tokio::test]
async fn a_flapping_address_refuses_and_is_well_in_turn() {
    let proxy = start().await;
    let (up, down) = (Duration::from_millis(60), Duration::from_millis(60));
    proxy.befall(Fault::Flap { up, down }).await.unwrap();
    for is_open in [true, false, true, false] {
        let what = if is_open { "well" } else { "refused" };
        let turned = until(what, PATIENCE, || async {
            Ok(connect(&proxy).await.is_ok() == is_open)
        });
        turned.await.unwrap();
    }
}

#[tokio::test]
async fn an_address_is_pointed_elsewhere_and_what_is_open_stays_until_it_is_reset() {
    let proxy = start().await;
    let mut open = used(&proxy).await;
    let nobody = Port::pick().unwrap();
    proxy.point_to(nobody.number());
    assert_eq!(echo(&mut open, b"still").await.unwrap(), b"still");
    proxy.reset_open();
    assert_eq!(reads_error(&mut open).await, ErrorKind::ConnectionReset);
    let mut later = connect(&proxy).await.unwrap();
    assert_eq!(reads_error(&mut later).await, ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn nothing_is_left_of_one_that_is_dropped_in_whatever_trouble() {
    for fault in [
        None,
        Some(Fault::BlackHole),
        Some(Fault::Stall(Way::ToClient)),
    ] {
        let proxy = start().await;
        let mut open = used(&proxy).await;
        assert_eq!(proxy.open(), 1);
        if let Some(fault) = fault {
            proxy.befall(fault).await.unwrap();
        }
        let (port, driver) = (proxy.port(), Arc::clone(&proxy.driver));
        drop(proxy);
        assert_eq!(reads_error(&mut open).await, ErrorKind::ConnectionReset);
        let gone = until("nothing is left", PATIENCE, || async {
            let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
            Ok(refused.is_err() && driver.open() == 0)
        });
        gone.await.unwrap();
    }
}
