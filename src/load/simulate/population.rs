//! The simulator's standing population: who pays, and where.

use crate::load::simulate::random::Random;
use crate::load::simulate::transaction::COUNTRIES;

/// How large the simulated world is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    pub customers: usize,
    /// Shops, cash machines and online merchants together.
    pub terminals: usize,
    /// Days simulated before the first transaction is handed out, so that the longest window is full.
    pub warm_up_days: u32,
}

impl Default for World {
    fn default() -> World {
        // About 8,000 transactions a day; 37 days are the longest window and the delay of fraud labels.
        World { customers: 4_000, terminals: 4_000, warm_up_days: 37 }
    }
}

/// Side of the square that everybody lives in, kilometres.
const SIDE_KM: f64 = 100.0;
/// How far a customer goes for a purchase, kilometres.
const REACH_KM: f64 = 5.0;
/// Shares of all terminals.
const ONLINE_SHARE: f64 = 0.2;
const ABROAD_SHARE: f64 = 0.1;
const CASH_SHARE: f64 = 0.06;

/// ISO 18245: cash machine, groceries, restaurants, fuel, clothes, pharmacies, fast food, department stores.
pub const MCC_CASH: i32 = 6011;
const MCC_SHOPS: [i32; 7] = [5411, 5812, 5541, 5651, 5912, 5814, 5311];
/// Mail order, digital goods, games, electronics, airlines, betting, hotels.
const MCC_ONLINE: [i32; 7] = [5964, 5818, 5816, 5732, 4511, 7995, 7011];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalKind {
    Shop,
    Cash,
    Online,
}

#[derive(Clone, Debug)]
pub struct Terminal {
    pub kind: TerminalKind,
    pub place: (f64, f64),
    pub mcc: i32,
    pub country: u8,
    pub named: bool,
    /// The first day on which the terminal is clean again.
    pub compromised_until: u32,
}

#[derive(Clone, Debug)]
pub struct Customer {
    pub place: (f64, f64),
    pub mean_amount: f64,
    pub transactions_per_day: f64,
    pub online_share: f64,
    pub country: u8,
    pub scheme: u8,
    pub funding: u8,
    /// Days before the first simulated one on which the card was issued and the device first seen.
    pub card_age: i32,
    pub device_age: i32,
    /// Terminals within reach.
    pub near: Vec<u32>,
    pub compromised_until: u32,
}

#[derive(Clone, Debug)]
pub struct Population {
    pub customers: Vec<Customer>,
    pub terminals: Vec<Terminal>,
    /// Indices of the online merchants, and of the shops abroad.
    pub online: Vec<u32>,
    pub abroad: Vec<u32>,
}

pub fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// A country away from home, the more exotic ones as likely as the others.
pub fn foreign_country(random: &mut Random) -> u8 {
    1 + random.below(COUNTRIES.len() - 1) as u8
}

fn new_terminal(random: &mut Random) -> Terminal {
    let kind = match random.unit() {
        share if share < ONLINE_SHARE => TerminalKind::Online,
        share if share < ONLINE_SHARE + CASH_SHARE => TerminalKind::Cash,
        _ => TerminalKind::Shop,
    };
    let mut place = (random.uniform(0.0, SIDE_KM), random.uniform(0.0, SIDE_KM));
    let mut country = 0;
    let far = if kind == TerminalKind::Online { 0.5 } else { ABROAD_SHARE };
    if random.chance(far) {
        country = foreign_country(random);
        // Only the distance counts.
        place.0 += random.uniform(300.0, 9_000.0);
    }
    let mcc = match kind {
        TerminalKind::Cash => MCC_CASH,
        TerminalKind::Shop => MCC_SHOPS[random.below(MCC_SHOPS.len())],
        TerminalKind::Online => MCC_ONLINE[random.below(MCC_ONLINE.len())],
    };
    Terminal { kind, place, mcc, country, named: random.chance(0.9), compromised_until: 0 }
}

fn new_customer(random: &mut Random, terminals: &[Terminal]) -> Customer {
    let place = (random.uniform(0.0, SIDE_KM), random.uniform(0.0, SIDE_KM));
    let near = |limit: f64| -> Vec<u32> {
        let reachable = |(_, terminal): &(usize, &Terminal)| {
            terminal.kind != TerminalKind::Online && distance_km(place, terminal.place) < limit
        };
        terminals.iter().enumerate().filter(reachable).map(|(index, _)| index as u32).collect()
    };
    let mut within = near(REACH_KM);
    let mut limit = REACH_KM;
    // Somebody in the wilderness goes further.
    while within.is_empty() && limit < 100.0 * SIDE_KM {
        limit *= 2.0;
        within = near(limit);
    }
    Customer {
        place,
        mean_amount: random.uniform(5.0, 100.0),
        transactions_per_day: random.uniform(0.0, 4.0),
        online_share: random.uniform(0.05, 0.5),
        country: if random.chance(0.93) { 0 } else { foreign_country(random) },
        scheme: random.weighted(&[0.45, 0.4, 0.1, 0.05]) as u8,
        funding: random.weighted(&[0.6, 0.35, 0.05]) as u8,
        card_age: random.below(1_400) as i32,
        device_age: random.below(700) as i32,
        near: within,
        compromised_until: 0,
    }
}

impl Population {
    pub fn new(world: &World, random: &mut Random) -> Population {
        assert!(world.customers > 0 && world.terminals >= 50, "a world needs customers and all kinds of terminals");
        let terminals: Vec<Terminal> = (0..world.terminals).map(|_| new_terminal(random)).collect();
        let customers = (0..world.customers).map(|_| new_customer(random, &terminals)).collect();
        let those = |wanted: &dyn Fn(&Terminal) -> bool| -> Vec<u32> {
            let found = terminals.iter().enumerate().filter(|(_, terminal)| wanted(terminal));
            found.map(|(index, _)| index as u32).collect()
        };
        let online = those(&|terminal| terminal.kind == TerminalKind::Online);
        let abroad = those(&|terminal| terminal.kind != TerminalKind::Online && terminal.country != 0);
        assert!(!online.is_empty() && !abroad.is_empty(), "a world needs all kinds of terminals");
        Population { customers, terminals, online, abroad }
    }
}
