//! Random networks, cancelled at random times: no byte is lost, and none comes twice.

use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing::{self, Network};
use futures::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use futures::{StreamExt, TryStreamExt};
use proptest::prelude::any;

use crate::support;

#[test]
fn g19_no_byte_is_lost() {
    let _watchdog = support::watchdog();
    let inputs = (any::<u64>(), 0..2000_u64, 1..100_usize, 1..50_usize, any::<bool>());
    support::check_random(200, inputs, |(seed, limit, size, buffer, buffered)| {
        let input: Vec<u8> = (0..=255).collect();
        let network =
            Network::seeded(seed).chunk_sizes(1..=size).stalls(0.1, Duration::from_millis(300));
        let reader = network.stream(&*input).unwrap().map(Ok).into_async_read();
        let mut reader = BufReader::with_capacity(buffer, reader)
            .cancelable_reader(timeout(Duration::from_millis(limit)))
            .idle_timeout(Duration::from_millis(200));
        let mut output = Vec::new();
        let time = testing::pause();
        time.block_on(async {
            loop {
                let count = if buffered {
                    let Ok(bytes) = reader.fill_buf().await else { break };
                    output.extend(bytes);
                    let count = bytes.len();
                    reader.consume_unpin(count);
                    count
                } else {
                    let mut buffer = [0; 7];
                    let Ok(count) = reader.read(&mut buffer).await else { break };
                    output.extend(&buffer[..count]);
                    count
                };
                if count == 0 {
                    break;
                }
            }
            reader.into_inner().read_to_end(&mut output).await.unwrap();
        });
        assert_eq!(output, input);
    });
}
