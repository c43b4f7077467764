//! A proxy before a server that answers each request with its correlation id.

use std::io::{Read, Write};
use std::net::TcpStream as StdStream;

use super::frames::Kind;
use super::*;

/// A server that answers each request with its correlation id and one byte more.
fn echo() -> SocketAddr {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut frame = [0; 12];
                while stream.read_exact(&mut frame).is_ok() {
                    let response = [&[0, 0, 0, 5], &frame[8..12], &[7]].concat();
                    stream.write_all(&response).unwrap();
                }
            });
        }
    });
    address
}

fn ask(stream: &mut StdStream, kind: i16, correlation: u8) {
    let kind = kind.to_be_bytes();
    stream.write_all(&[0, 0, 0, 8, kind[0], kind[1], 0, 0, 0, 0, 0, correlation]).unwrap();
}

fn heard(stream: &mut StdStream) -> Vec<u8> {
    let mut response = [0; 9];
    match stream.read(&mut response) {
        Ok(count) => response[..count].to_vec(),
        Err(_) => Vec::new(),
    }
}

#[test]
fn a_fault_meets_its_request_and_the_rest_goes_through() {
    let proxy = Proxy::start("127.0.0.1:0".parse().unwrap(), echo(), Protocol::Kafka).unwrap();
    let connect = || StdStream::connect(proxy.address).unwrap();
    let answer = |correlation| vec![0, 0, 0, 5, 0, 0, 0, correlation, 7];

    proxy.arm(Armed { kind: Kind::PRODUCE, skip: 1, fault: Fault::Swallow });
    let mut stream = connect();
    for correlation in 1..=3 {
        ask(&mut stream, 0, correlation);
    }
    assert_eq!(heard(&mut stream), answer(1));
    assert_eq!(heard(&mut stream), answer(3));

    for (fault, passed) in [(Fault::CloseBefore, 0), (Fault::CloseAfter, 0), (Fault::Cut(6), 6)] {
        proxy.arm(Armed { kind: Kind::FETCH, skip: 0, fault });
        let mut stream = connect();
        ask(&mut stream, 1, 9);
        assert_eq!(heard(&mut stream), answer(9)[..passed]);
    }
    assert_eq!((proxy.waiting(), proxy.disarm()), (0, 4));

    proxy.set(Gate::Closed);
    assert!(heard(&mut stream).is_empty());
}

#[test]
fn a_request_with_a_word_reaches_the_server_and_loses_its_answer() {
    let proxy = Proxy::start("127.0.0.1:0".parse().unwrap(), echo(), Protocol::Bytes).unwrap();
    proxy.lose(Lost { word: &[0, 2], skip: 0 });
    proxy.count(&[1, 7]);
    let mut stream = StdStream::connect(proxy.address).unwrap();
    ask(&mut stream, 0, 1);
    assert_eq!(heard(&mut stream), [0, 0, 0, 5, 0, 0, 0, 1, 7]);
    assert_eq!((proxy.lost(), proxy.counted(&[1, 7])), (0, 1));
    ask(&mut stream, 0, 2);
    assert!(heard(&mut stream).is_empty());
    assert_eq!((proxy.lost(), proxy.counted(&[1, 7])), (1, 1));
}
