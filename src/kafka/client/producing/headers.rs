//! Lists of headers for what is sent: those of the source that travel, and our own behind them. A list is two blocks of
//! memory, whatever it holds ([`crate::kafka::client::inside`]).
#![allow(unsafe_code, reason = "librdkafka's headers are made in C's memory; each block says why it holds")]

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

use rdkafka::bindings as rd;

use super::entries::{ENTRY_SLACK, allocate, write_entry};
use super::own_headers::Own;
use crate::kafka::client::consuming::raw_headers::{Header, RawHeaders};
use crate::kafka::client::inside::{FIXED, HeaderEntry, HeaderList, List};

/// A list of headers that is to be sent, or none. It is ours until the client takes it.
pub struct Headers(*mut rd::rd_kafka_headers_t);

/// A list that is being made in a block of memory.
struct Growing {
    elements: NonNull<*mut c_void>,
    count: usize,
    /// Where the next entry that is copied goes.
    at: NonNull<u8>,
    sent_bytes: usize,
}

impl Growing {
    /// # Safety
    /// The block has room for one more address, and for the entry.
    unsafe fn copy(&mut self, header: Header<'_>) {
        // SAFETY: by the contract above.
        unsafe {
            let entry = self.at.add(self.at.align_offset(align_of::<HeaderEntry>())).cast();
            self.at = write_entry(entry, header);
            self.add(entry);
        }
    }

    /// # Safety
    /// The block has room for one more address; the entry lives as long as it, at least.
    unsafe fn add(&mut self, entry: NonNull<HeaderEntry>) {
        // SAFETY: by the contract above.
        unsafe {
            self.elements.add(self.count).write(entry.as_ptr().cast());
            self.sent_bytes += entry.as_ref().sent_bytes;
        }
        self.count += 1;
    }

    fn end(self) -> Headers {
        let count = c_int::try_from(self.count).expect("no more than the client takes, and ours");
        let list = List {
            room: count,
            count,
            elements: self.elements.as_ptr(),
            // They lie in the block of `elements`, which is freed, or stand for ever.
            free: None,
            flags: FIXED,
            element_bytes: 0,
            first: ptr::null_mut(),
        };
        let headers = allocate(size_of::<HeaderList>()).cast::<HeaderList>();
        // SAFETY: the block has room for it.
        unsafe { headers.write(HeaderList { list, sent_bytes: self.sent_bytes }) };
        Headers(headers.as_ptr().cast())
    }
}

impl Headers {
    /// Copies of those of the source's that `keeps` wants by their names, and `own` behind them.
    pub fn of(source: RawHeaders<'_>, keeps: impl Fn(&[u8]) -> bool, own: Own<'_>) -> Headers {
        let (own_count, own_bytes) = own.room();
        // As if all of the source's travelled: most often they do.
        let (count_max, copied_max) = (source.count_max() + own_count, source.count_max() + own.copied());
        let mut travelling = source.filter(|header| keeps(header.name)).peekable();
        if travelling.peek().is_none() && own_count == 0 {
            return Headers(ptr::null_mut());
        }
        let addresses = count_max * size_of::<*mut c_void>();
        let entries = copied_max * (size_of::<HeaderEntry>() + ENTRY_SLACK) + source.bytes_max() + own_bytes;
        let elements = allocate(addresses + entries).cast();
        // SAFETY: the block has room for so many addresses, and for all entries that are copied, with their bytes, behind these.
        unsafe {
            let mut list = Growing { elements, count: 0, at: elements.add(count_max).cast(), sent_bytes: 0 };
            travelling.for_each(|header| list.copy(header));
            match own {
                Own::Fresh(own) => own.iter().for_each(|(name, value)| {
                    list.copy(Header { name: name.to_bytes(), value: Some(value) });
                }),
                Own::Standing(own) => own.iter().for_each(|entry| list.add(entry.0)),
            }
            list.end()
        }
    }

    /// Null when there are none.
    pub(super) fn as_ptr(&self) -> *mut rd::rd_kafka_headers_t {
        self.0
    }

    /// The client has taken the list.
    pub(super) fn hand_over(self) {
        std::mem::forget(self);
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: ours, freed once.
            unsafe { rd::rd_kafka_headers_destroy(self.0) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{CStr, c_char};
    use std::time::{Duration, Instant};

    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaType;

    use super::super::own_headers::Standing;
    use super::*;
    use crate::kafka::client::consuming::message::{HandedOut, KafkaRecord};
    use crate::kafka::client::{Conf, NO_ERROR};

    type Pair = (&'static [u8], Option<Vec<u8>>);

    /// What the client finds in a list, name by name.
    fn seen(list: *mut rd::rd_kafka_headers_t) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        // SAFETY: a valid list, and what it shows of it; names end with a NUL, and so do values.
        unsafe {
            let count = if list.is_null() { 0 } else { rd::rd_kafka_header_cnt(list) };
            let one = |index| {
                let (mut name, mut value, mut len) = (ptr::null::<c_char>(), ptr::null::<c_void>(), 0);
                assert_eq!(rd::rd_kafka_header_get_all(list, index, &mut name, &mut value, &mut len), NO_ERROR);
                let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), len + 1));
                assert!(value.is_none_or(|value| value.last() == Some(&0)));
                (CStr::from_ptr(name).to_bytes().to_vec(), value.map(|value| value[..len].to_vec()))
            };
            (0..count).map(one).collect()
        }
    }

    fn pairs() -> Vec<Pair> {
        let value = |len| Some(vec![7; len]);
        vec![
            (b"traceparent", value(55)),
            (b"", value(0)),
            (b"null", None),
            (b"twice", value(63)),
            (b"twice", value(64)),
            (&[b'n'; 70], value(8_191)),
            (b"large", value(8_192)),
        ]
    }

    /// The same list by the client's own calls.
    fn theirs(pairs: &[Pair]) -> Headers {
        // SAFETY: a fresh list; names and values are copied.
        unsafe {
            let list = rd::rd_kafka_headers_new(0);
            for (name, value) in pairs {
                let (data, len) = value.as_ref().map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
                rd::rd_kafka_header_add(list, name.as_ptr().cast(), name.len() as isize, data.cast(), len as isize);
            }
            Headers(list)
        }
    }

    fn inside(headers: &Headers) -> &HeaderList {
        // SAFETY: a list that is not empty, and lives as long as what is returned.
        unsafe { &*headers.0.cast::<HeaderList>() }
    }

    fn entries(headers: &Headers) -> Vec<(usize, usize, usize)> {
        let list = &inside(headers).list;
        // SAFETY: so many elements are there, and each is an entry.
        let entry = |index| unsafe { &*(*list.elements.add(index)).cast::<HeaderEntry>() };
        let numbers = |index| (entry(index).sent_bytes, entry(index).name_len, entry(index).value_len);
        (0..list.count as usize).map(numbers).collect()
    }

    #[test]
    fn a_list_of_ours_is_what_the_clients_own_calls_make() {
        let pairs = pairs();
        let theirs = theirs(&pairs);
        let own: Vec<_> = pairs.iter().map(|(name, value)| (std::ffi::CString::new(*name).unwrap(), value)).collect();
        // A header of our own always has a value.
        let own: Vec<(&CStr, &[u8])> =
            own.iter().filter_map(|(name, value)| Some((&**name, value.as_deref()?))).collect();
        let without_null: Vec<Pair> = pairs.iter().filter(|(_, value)| value.is_some()).cloned().collect();
        let ours = Headers::of(RawHeaders::of(&[]), |_| true, Own::Fresh(&own));
        let expected = super::tests::theirs(&without_null);
        assert_eq!(seen(ours.0), seen(expected.0));
        assert_eq!((entries(&ours), inside(&ours).sent_bytes), (entries(&expected), inside(&expected).sent_bytes));
        assert_eq!(entries(&theirs).len(), pairs.len());
        assert!(Headers::of(RawHeaders::of(&[]), |_| true, Own::Fresh(&[])).0.is_null());
    }

    #[test]
    fn headers_that_stand_are_made_once_and_are_those_that_were_asked_for() {
        let mut standing = Standing::default();
        let addresses = |headers: &Headers| -> Vec<*mut c_void> {
            let list = &inside(headers).list;
            // SAFETY: so many elements are there.
            (0..list.count as usize).map(|index| unsafe { *list.elements.add(index) }).collect()
        };
        let mut make = |value: &[u8]| {
            let own = [(c"version", &b"7"[..]), (c"decision", value)];
            Headers::of(RawHeaders::of(&[2, 2, b'a', 2, b'b']), |_| true, standing.of(&own))
        };
        let [first, other, again] = [&b"approve"[..], b"decline", b"approve"].map(&mut make);
        let pair = |name: &[u8], value: &[u8]| (name.to_vec(), Some(value.to_vec()));
        let expected = |value: &[u8]| vec![pair(b"a", b"b"), pair(b"version", b"7"), pair(b"decision", value)];
        assert_eq!((seen(first.0), seen(other.0)), (expected(b"approve"), expected(b"decline")));
        assert_eq!(addresses(&first)[1..], addresses(&again)[1..]);
        assert_eq!(addresses(&first)[1], addresses(&other)[1], "the version is the same");
        assert_ne!(addresses(&first)[0], addresses(&again)[0], "the source's is copied");
        for number in 0..100_u8 {
            let own = make(&[number; 3]);
            assert_eq!(seen(own.0), expected(&[number; 3]));
        }
        drop(first);
        assert_eq!((seen(again.0), standing.known.len()), (expected(b"approve"), Standing::MAX));
    }

    /// Through a producer and a consumer: what it sends, and what a received message is found to have.
    #[test]
    fn what_was_sent_comes_back_and_travels_on() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let settings = |more: &[(&str, &str)]| {
            let bootstrap = cluster.bootstrap_servers();
            let all = [("bootstrap.servers", bootstrap.as_str())].into_iter().chain(more.iter().copied());
            Conf::new(&all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()).unwrap()
        };
        let mut producer = settings(&[]).create(RDKafkaType::RD_KAFKA_PRODUCER).unwrap();
        let mut consumer = settings(&[("group.id", "g")]).create(RDKafkaType::RD_KAFKA_CONSUMER).unwrap();
        // SAFETY: clients and topics are alive, payloads are copied, and the client takes lists that it took the message of.
        unsafe {
            let to = rd::rd_kafka_topic_new(producer.as_ptr(), c"t".as_ptr(), ptr::null_mut());
            let from = rd::rd_kafka_topic_new(consumer.as_ptr(), c"t".as_ptr(), ptr::null_mut());
            assert_eq!(rd::rd_kafka_consume_start(from, 0, 0), 0);
            let send = |headers: Headers| {
                let mut arguments: [rd::rd_kafka_vu_t; 2] = std::mem::zeroed();
                (arguments[0].vtype, arguments[0].u.rkt) = (rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT, to);
                (arguments[1].vtype, arguments[1].u.headers) =
                    (rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS, headers.as_ptr());
                let count = if headers.0.is_null() { 1 } else { 2 };
                assert!(rd::rd_kafka_produceva(producer.as_ptr(), arguments.as_ptr(), count).is_null());
                headers.hand_over();
                assert_eq!(rd::rd_kafka_flush(producer.as_ptr(), 30_000), NO_ERROR);
            };
            let receive = || {
                let deadline = Instant::now() + Duration::from_secs(30);
                loop {
                    assert!(Instant::now() < deadline, "nothing came");
                    let message = rd::rd_kafka_consume(from, 0, 100);
                    if let Some(record) = KafkaRecord::new(message, &HandedOut::default())
                        && record.event() == NO_ERROR
                    {
                        return record;
                    }
                }
            };
            send(theirs(&pairs()));
            let first = receive();
            let found: Vec<_> =
                first.raw_headers().map(|header| (header.name, header.value.map(<[u8]>::to_vec))).collect();
            assert_eq!(found, pairs());
            let own: (&CStr, &[u8]) = (c"own", b"1");
            send(Headers::of(first.raw_headers(), |name| name != b"large", Own::Fresh(&[own])));
            let second = receive();
            let mut expected = pairs();
            *expected.last_mut().unwrap() = (b"own", Some(b"1".to_vec()));
            let found: Vec<_> =
                second.raw_headers().map(|header| (header.name, header.value.map(<[u8]>::to_vec))).collect();
            assert_eq!(found, expected);
            send(Headers::of(first.raw_headers(), |_| false, Own::Fresh(&[])));
            assert_eq!(receive().raw_headers().count(), 0);
            drop((first, second));
            rd::rd_kafka_consume_stop(from, 0);
            [to, from].iter().for_each(|topic| rd::rd_kafka_topic_destroy(*topic));
        }
        producer.destroy();
        consumer.destroy();
    }
}
