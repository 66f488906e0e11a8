//! An endless, seeded stream of card transactions with fraud in it.
//!
//! Follows the simulator of "Reproducible Machine Learning for Credit Card Fraud Detection: Practical Handbook"
//! (Le Borgne, Siblini, Lebichot, Bontempi; ULB 2022, chapter 3), simply: customers with a place, a mean amount and a
//! frequency; terminals with a place, used by customers within reach; days. Fraud comes in its three ways:
//!
//! 1. very large amounts, out of the blue;
//! 2. terminals that are compromised for four weeks: most of what they take is fraud;
//! 3. cards whose data leaked, for two weeks: a third of their transactions is fraud without the card present, at five
//!    times the usual amount.
//!
//! To this, it adds what a real payment message carries: channel, entry mode, merchant category, countries, devices.
//! Genuine customers make large purchases, travel and change devices too, so no single field gives fraud away.

use crate::load::simulate::population::{Customer, Population, TerminalKind, World, distance_km, foreign_country};
use crate::load::simulate::random::Random;
use crate::load::simulate::transaction::{Device, History, Transaction, id_of, symbol};
use crate::load::simulate::windows::{DAY_MS, Windows};

/// 2025-01-01T00:00Z: day 0.
pub const FIRST_DAY_MS: i64 = 1_735_689_600_000;
/// How long it takes until a fraud is known to have been one.
pub const LABEL_DELAY_MS: i64 = 7 * DAY_MS;

/// Chances per day, and for how many days.
const TERMINAL_COMPROMISED: f64 = 0.0002;
const TERMINAL_DAYS: u32 = 28;
const TERMINAL_FRAUD: f64 = 0.8;
const CARD_LEAKED: f64 = 0.000_8;
const CARD_DAYS: u32 = 14;
const CARD_FRAUD: f64 = 1.0 / 3.0;
const CARD_FACTOR: f64 = 5.0;
/// Chances per transaction.
const LARGE_FRAUD: f64 = 0.000_7;
const LARGE_GENUINE: f64 = 0.003;
const NEW_DEVICE: f64 = 0.02;
const TRAVEL: f64 = 0.01;

/// Largest amount, in cents: the package's contract refuses more.
const AMOUNT_CENTS_MAX: i64 = 99_999_999;

/// The stream. `Iterator::next` never ends.
pub struct Simulator {
    seed: u64,
    random: Random,
    population: Population,
    customer_windows: Vec<Windows>,
    terminal_windows: Vec<Windows>,
    last_seen_ms: Vec<Option<i64>>,
    day: u32,
    warm_up_days: u32,
    /// The day's transactions, latest first, without their history.
    today: Vec<Transaction>,
    handed_out: u64,
}

impl Simulator {
    /// The default world, with full windows at the first transaction.
    pub fn new(seed: u64) -> Simulator {
        Simulator::with_world(seed, &World::default())
    }

    pub fn with_world(seed: u64, world: &World) -> Simulator {
        let mut random = Random::new(seed);
        let population = Population::new(world, &mut random);
        Simulator {
            seed,
            random,
            customer_windows: vec![Windows::default(); population.customers.len()],
            terminal_windows: vec![Windows::default(); population.terminals.len()],
            last_seen_ms: vec![None; population.customers.len()],
            population,
            day: 0,
            warm_up_days: world.warm_up_days,
            today: Vec::new(),
            handed_out: 0,
        }
    }

    /// Makes the transactions of one day.
    fn next_day(&mut self) {
        self.compromise();
        for customer in 0..self.population.customers.len() {
            let per_day = self.population.customers[customer].transactions_per_day;
            for _ in 0..self.random.poisson(per_day) {
                let seconds = self.random.normal(43_200.0, 20_000.0);
                if (0.0..86_400.0).contains(&seconds) {
                    let transaction = self.draw(customer as u32, (seconds * 1_000.0) as i64);
                    self.today.push(transaction);
                }
            }
        }
        self.today.sort_by_key(|transaction| std::cmp::Reverse((transaction.event_time_ms, transaction.customer)));
        self.day += 1;
    }

    /// Draws the terminals and cards that fall to criminals today.
    fn compromise(&mut self) {
        for terminal in &mut self.population.terminals {
            if self.random.chance(TERMINAL_COMPROMISED) && terminal.kind != TerminalKind::Online {
                terminal.compromised_until = self.day + TERMINAL_DAYS;
            }
        }
        for customer in &mut self.population.customers {
            if self.random.chance(CARD_LEAKED) {
                customer.compromised_until = self.day + CARD_DAYS;
            }
        }
    }

    /// One transaction of a customer at a time of the day, as it would be without criminals, then perhaps spoiled.
    fn draw(&mut self, customer_index: u32, time_ms: i64) -> Transaction {
        let random = &mut self.random;
        let customer = &self.population.customers[customer_index as usize];
        let terminal = if random.chance(customer.online_share) || customer.near.is_empty() {
            self.population.online[random.below(self.population.online.len())]
        } else if random.chance(TRAVEL) {
            self.population.abroad[random.below(self.population.abroad.len())]
        } else {
            customer.near[random.below(customer.near.len())]
        };
        let mut amount = random.normal(customer.mean_amount, customer.mean_amount / 2.0);
        if amount < 0.0 {
            amount = random.uniform(0.0, 2.0 * customer.mean_amount);
        }
        if random.chance(LARGE_GENUINE) {
            amount = random.uniform(200.0, 1_500.0);
        }
        let mut transaction = blank(customer_index, customer, self.day, time_ms);
        transaction.amount_cents = (amount * 100.0) as i64;
        self.visit(&mut transaction, terminal);
        self.defraud(&mut transaction);
        transaction.amount_cents = transaction.amount_cents.clamp(1, AMOUNT_CENTS_MAX);
        set_calendar(&mut transaction);
        transaction
    }

    /// Takes the transaction to a terminal: everything that follows from where it happens.
    fn visit(&mut self, transaction: &mut Transaction, terminal_index: u32) {
        let random = &mut self.random;
        let customer = &self.population.customers[transaction.customer as usize];
        let terminal = &self.population.terminals[terminal_index as usize];
        transaction.terminal = terminal_index;
        transaction.mcc = terminal.mcc;
        transaction.merchant_country = terminal.country;
        transaction.merchant_name = terminal.named.then_some(terminal_index / 3);
        transaction.distance_km =
            (terminal.kind != TerminalKind::Online).then(|| distance_km(customer.place, terminal.place));
        (transaction.three_ds, transaction.device) = (None, None);
        match terminal.kind {
            TerminalKind::Shop => {
                transaction.channel = symbol::POS;
                transaction.entry_mode = Some(random.weighted(&[0.35, 0.62, 0.03]) as u8);
            }
            TerminalKind::Cash => {
                transaction.channel = symbol::ATM;
                transaction.entry_mode = Some(if random.chance(0.95) { symbol::CHIP } else { symbol::MAGSTRIPE });
                transaction.amount_cents = (transaction.amount_cents / 1_000 + 1) * 1_000;
            }
            TerminalKind::Online if random.chance(0.04) => {
                transaction.channel = symbol::MOTO;
                transaction.entry_mode = None;
            }
            TerminalKind::Online => {
                transaction.channel = symbol::ECOMMERCE;
                transaction.entry_mode = random.chance(0.4).then_some(symbol::STORED);
                transaction.three_ds =
                    [Some(symbol::AUTHENTICATED), Some(symbol::ATTEMPTED), Some(symbol::FAILED), None]
                        [random.weighted(&[0.7, 0.08, 0.02, 0.2])];
                let age = customer.device_age + self.day as i32;
                let age = if random.chance(NEW_DEVICE) { random.below(4) as i32 } else { age };
                let ip = if random.chance(0.02) { foreign_country(random) } else { customer.country };
                transaction.device = Some(Device {
                    age_days: random.chance(0.95).then_some(age),
                    ip_country: random.chance(0.97).then_some(ip),
                });
            }
        }
    }

    /// Lets the criminals have their chance, in the three ways of this module's head.
    fn defraud(&mut self, transaction: &mut Transaction) {
        let leaked = self.day < self.population.customers[transaction.customer as usize].compromised_until;
        let skimmed = self.day < self.population.terminals[transaction.terminal as usize].compromised_until;
        if leaked && self.random.chance(CARD_FRAUD) {
            self.spend_leaked_card(transaction);
        } else if skimmed && self.random.chance(TERMINAL_FRAUD) {
            transaction.fraud = true;
            if transaction.channel == symbol::POS && self.random.chance(0.4) {
                transaction.entry_mode = Some(symbol::MAGSTRIPE);
            }
        } else if self.random.chance(LARGE_FRAUD) {
            transaction.fraud = true;
            transaction.amount_cents = (self.random.uniform(300.0, 2_000.0) * 100.0) as i64;
        }
    }

    /// Somebody far away spends with a card number, as fast as it goes.
    fn spend_leaked_card(&mut self, transaction: &mut Transaction) {
        let online = self.population.online[self.random.below(self.population.online.len())];
        self.visit(transaction, online);
        let random = &mut self.random;
        transaction.fraud = true;
        transaction.amount_cents = (transaction.amount_cents as f64 * CARD_FACTOR) as i64;
        if random.chance(0.3) {
            let day_start = transaction.event_time_ms - transaction.event_time_ms.rem_euclid(DAY_MS);
            transaction.event_time_ms = day_start + random.below(6 * 3_600_000) as i64;
        }
        if let Some(device) = &mut transaction.device {
            if random.chance(0.6) {
                device.age_days = Some(random.below(3) as i32);
            }
            if random.chance(0.4) {
                device.ip_country = Some(foreign_country(random));
            }
            if random.chance(0.5) {
                transaction.three_ds = [None, Some(symbol::ATTEMPTED), Some(symbol::FAILED)][random.below(3)];
            }
        }
    }

    /// Fills in what the past says, then becomes part of it.
    fn enrich(&mut self, transaction: &mut Transaction) {
        let now = transaction.event_time_ms;
        let customer = &mut self.customer_windows[transaction.customer as usize];
        customer.advance(now, 0);
        transaction.customer_history = history(customer, 0.01);
        customer.push(now, transaction.amount_cents);
        let terminal = &mut self.terminal_windows[transaction.terminal as usize];
        terminal.advance(now, LABEL_DELAY_MS);
        transaction.terminal_history = history(terminal, 1.0);
        terminal.push(now, i64::from(transaction.fraud));
        let last = self.last_seen_ms[transaction.customer as usize].replace(now);
        transaction.seconds_since_last = last.map(|last| (now - last) / 1_000);
    }
}

impl Iterator for Simulator {
    type Item = Transaction;

    fn next(&mut self) -> Option<Transaction> {
        loop {
            while self.today.is_empty() {
                self.next_day();
            }
            let mut transaction = self.today.pop()?;
            self.enrich(&mut transaction);
            if self.day > self.warm_up_days {
                transaction.id = id_of(self.seed, self.handed_out);
                self.handed_out += 1;
                return Some(transaction);
            }
        }
    }
}

fn history(windows: &Windows, unit: f64) -> History {
    History {
        count: std::array::from_fn(|window| windows.count(window)),
        mean: std::array::from_fn(|window| windows.mean(window).map(|mean| mean * unit)),
    }
}

fn blank(customer_index: u32, customer: &Customer, day: u32, time_ms: i64) -> Transaction {
    Transaction {
        id: 0,
        event_time_ms: FIRST_DAY_MS + i64::from(day) * DAY_MS + time_ms,
        amount_cents: 0,
        customer: customer_index,
        terminal: 0,
        channel: symbol::POS,
        entry_mode: None,
        scheme: customer.scheme,
        funding: customer.funding,
        issuer_country: customer.country,
        card_age_days: (customer.funding != 2).then_some(customer.card_age + day as i32),
        merchant_name: None,
        mcc: 0,
        merchant_country: 0,
        distance_km: None,
        local_hour: None,
        is_weekend: false,
        is_night: false,
        three_ds: None,
        device: None,
        seconds_since_last: None,
        customer_history: History::default(),
        terminal_history: History::default(),
        fraud: false,
    }
}

fn set_calendar(transaction: &mut Transaction) {
    let hour = transaction.event_time_ms.rem_euclid(DAY_MS) / 3_600_000;
    transaction.local_hour = Some(hour as i32);
    transaction.is_night = hour <= 6;
    // 1970-01-01 was a Thursday; Monday is 0.
    transaction.is_weekend = (transaction.event_time_ms.div_euclid(DAY_MS) + 3) % 7 >= 5;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small enough for unoptimised builds.
    fn small() -> World {
        World { customers: 300, terminals: 300, warm_up_days: 37 }
    }

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let stream = |seed| Simulator::with_world(seed, &small()).take(2_000).collect::<Vec<_>>();
        assert_eq!(stream(5), stream(5));
        assert_ne!(stream(5), stream(6));
    }

    #[test]
    fn the_stream_looks_like_a_card_portfolio() {
        let stream: Vec<Transaction> = Simulator::with_world(1, &small()).take(30_000).collect();
        let share = |wanted: &dyn Fn(&Transaction) -> bool| {
            stream.iter().filter(|transaction| wanted(transaction)).count() as f64 / stream.len() as f64
        };
        let fraud = share(&|t| t.fraud);
        assert!((0.003..0.03).contains(&fraud), "{fraud}");
        assert!(share(&|t| t.channel == symbol::ECOMMERCE) > 0.15);
        assert!(share(&|t| t.channel == symbol::ATM) > 0.01);
        assert!(share(&|t| t.customer_history.mean[2].is_none()) < 0.02, "the windows are full from the start");
        assert!(share(&|t| t.terminal_history.mean[0].is_none()) > 0.05, "nulls occur");
        assert!(share(&|t| (0..1).contains(&t.amount_cents)) == 0.0, "every amount is at least a cent");
        assert!(stream.windows(2).all(|pair| pair[0].event_time_ms <= pair[1].event_time_ms));
    }

    #[test]
    fn a_history_holds_what_came_before() {
        let stream: Vec<Transaction> = Simulator::with_world(2, &small()).take(20_000).collect();
        for transaction in stream.iter().rev().take(200) {
            let since = transaction.event_time_ms - DAY_MS;
            let before = |other: &&Transaction| {
                other.customer == transaction.customer
                    && other.event_time_ms > since
                    && other.event_time_ms < transaction.event_time_ms
            };
            let amounts: Vec<i64> = stream.iter().filter(before).map(|other| other.amount_cents).collect();
            let history = transaction.customer_history;
            assert_eq!(history.count[0] as usize, amounts.len());
            let mean = (!amounts.is_empty()).then(|| amounts.iter().sum::<i64>() as f64 / amounts.len() as f64 * 0.01);
            assert_eq!(history.mean[0], mean);
            assert!(history.count[0] <= history.count[1] && history.count[1] <= history.count[2]);
        }
    }
}
