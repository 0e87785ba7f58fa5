//! The life of devices as a state machine: random steps through the real code, the real SDK and an SNS of each life's own;
//! after each step the table and SNS are compared with a model.
//!
//! A life is a run of steps for three users with four device ids each, who share eight tokens, under a clock that only the
//! steps move. `cargo test` takes 500 steps; `TIDINGS_STEPS=100000` takes as many as it says. What fails prints the seed of
//! its life, and `TIDINGS_SEED=<seed>` lives that one again.

mod model;
mod reality;

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use serde_json::Value;
use shared::broadcast::Broadcasts;
use shared::clock::Clock;
use shared::error::Error;
use shared::id::{DeviceId, NotificationId, UserId};
use shared::push::Pusher;
use shared::sns::Sns;
use shared::store::Store;
use tokio::task::JoinSet;

use crate::chance::Chance;
use crate::ground::Ground;
use crate::machine::{LIVES, number};
use crate::patience::FAST;
use crate::phones::client;
use crate::stack::unique;
use model::{Change, Place, View, World};
use reality::{notification, stand_in};

/// The steps of one life.
const LIFE: u64 = 250;
const USERS: usize = 3;
const IDS: usize = 4;
const TOKENS: usize = 8;
/// For how long a registration that changes nothing asks nobody, in milliseconds.
const TRUSTED: i64 = 7 * 86_400_000;
/// A device that has not registered for this long gets no pushes, in milliseconds.
const SILENT: i64 = 60 * 86_400_000;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A new device, a new token, a token that moves to another user or to another device id.
    Register,
    /// A device with the token it has.
    Again,
    Logout,
    Send,
    /// A platform event arrives: of what has just happened, late, or once more.
    Event,
    Disable,
    Delete,
    Supersede,
    /// Two changes at once.
    Race,
    Wait(i64),
}

/// How often each step is taken, in parts of their sum.
const STEPS: &[(usize, Step)] = &[
    (30, Step::Register),
    (8, Step::Again),
    (8, Step::Logout),
    (20, Step::Send),
    (10, Step::Event),
    (5, Step::Disable),
    (2, Step::Delete),
    (3, Step::Supersede),
    (5, Step::Race),
    (6, Step::Wait(3_600_000)),
    (3, Step::Wait(8 * 86_400_000)),
];

/// What a step found to differ.
type Checked = Result<(), String>;

struct Life {
    chance: Chance,
    /// Milliseconds since 1970.
    now: i64,
    store: Store,
    sns: Sns,
    pusher: Pusher,
    /// SNS as itself.
    service: aws_sdk_sns::Client,
    http: reqwest::Client,
    url: String,
    users: Vec<UserId>,
    ids: Vec<DeviceId>,
    tokens: Vec<String>,
    world: World,
    /// The model's numbers and SNS's names of all endpoints that a device ever had.
    arns: BTreeMap<usize, String>,
    /// The last push that was seen.
    last: i64,
    _server: JoinSet<std::io::Result<()>>,
    _data: tempfile::TempDir,
}

impl Life {
    async fn new(store: &Store, seed: u64) -> Life {
        let data = tempfile::tempdir().unwrap();
        let (url, server) = stand_in(data.path()).await;
        let service = client(&url);
        let sns = Sns::new(service.clone(), service.clone());
        let broadcasts = Broadcasts::new(store.clone(), 86_400);
        let user = |_| UserId::parse(&unique("life")).unwrap();
        let token = |index| {
            // Some die of the first push.
            let kind = if index < 2 {
                "error-disabled-"
            } else {
                "token-"
            };
            unique(kind)
        };
        let began = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        Life {
            chance: Chance::new(seed),
            now: i64::try_from(began).unwrap(),
            store: store.clone(),
            pusher: Pusher::new(store.clone(), sns.clone(), broadcasts, FAST),
            sns,
            service,
            http: reqwest::Client::new(),
            url,
            users: (0..USERS).map(user).collect(),
            ids: (0..IDS)
                .map(|id| DeviceId::parse(&format!("d{id}")).unwrap())
                .collect(),
            tokens: (0..TOKENS).map(token).collect(),
            world: World::default(),
            arns: BTreeMap::new(),
            last: 0,
            _server: server,
            _data: data,
        }
    }

    fn moment(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now).unwrap()
    }

    async fn live(mut self, steps: u64) -> Checked {
        for count in 0..steps {
            let mut left = self
                .chance
                .below(STEPS.iter().map(|(weight, _)| weight).sum());
            let step = STEPS.iter().find(|(weight, _)| {
                let is_it = left < *weight;
                left = left.saturating_sub(*weight);
                is_it
            });
            let step = step.unwrap().1;
            let checked = Box::pin(self.take(step)).await;
            checked.map_err(|difference| format!("step {count}, {step:?}: {difference}"))?;
        }
        // Everybody goes, and nothing is left.
        for place in self
            .world
            .held()
            .map(|(place, _)| place)
            .collect::<Vec<_>>()
        {
            self.change(Change::Remove(place)).await?;
        }
        let (left, _) = self.found().await;
        (left == View::default())
            .then_some(())
            .ok_or(format!("at the end there is {left:?}"))
    }

    async fn take(&mut self, step: Step) -> Checked {
        match step {
            Step::Wait(limit) => {
                self.now +=
                    1 + i64::try_from(self.chance.below(usize::try_from(limit).unwrap())).unwrap();
                Ok(())
            }
            Step::Send => self.send().await,
            Step::Race => Box::pin(self.race()).await,
            step => match self.draw(step) {
                None => Ok(()),
                Some(change) => self.change(change).await,
            },
        }
    }

    /// One change of this kind, if there can be one.
    fn draw(&mut self, step: Step) -> Option<Change> {
        let place = (self.chance.below(USERS), self.chance.below(IDS));
        let token = self.tokens[self.chance.below(TOKENS)].clone();
        let held: Vec<(Place, usize)> = self.world.held().collect();
        let one = (!held.is_empty()).then(|| held[self.chance.below(held.len())]);
        let number = self.chance.below(self.arns.len().max(1));
        Some(match step {
            Step::Register => Change::Register(place, token),
            Step::Again => {
                let place = one?.0;
                Change::Register(place, self.world.token(place)?.to_owned())
            }
            Step::Logout => Change::Remove(one.map_or(place, |(place, _)| place)),
            Step::Disable => Change::Disable(one?.1),
            Step::Delete => Change::Delete(one?.1),
            Step::Supersede => Change::Supersede(one?.1, token),
            // Half of them about what is held now, the others about anything there ever was.
            _ if self.chance.one_in(2) => Change::Clean(one?.1),
            _ => Change::Clean(*self.arns.keys().nth(number)?),
        })
    }

    /// Changes both, and compares.
    async fn change(&mut self, change: Change) -> Checked {
        let kind = self.chance.below(3);
        self.act(&change, kind)
            .await
            .map_err(|error| format!("{change:?}: {}", error.chain()))?;
        self.world.apply(&change, self.now);
        self.compare(vec![self.world.clone()])
            .await
            .map_err(|why| format!("{change:?}: {why}"))
    }

    /// Two changes at once come to the same as one after the other, in either order.
    async fn race(&mut self) -> Checked {
        let mut changes = Vec::new();
        for _ in 0..2 {
            let step =
                [Step::Register, Step::Register, Step::Logout, Step::Event][self.chance.below(4)];
            changes.extend(self.draw(step));
        }
        let [one, two] = &changes[..] else {
            return Ok(());
        };
        let done = futures_util::join!(self.act(one, 0), self.act(two, 1));
        let mut worlds = vec![self.world.clone(), self.world.clone()];
        for (world, order) in worlds.iter_mut().zip([
            [(one, &done.0), (two, &done.1)],
            [(two, &done.1), (one, &done.0)],
        ]) {
            for (change, done) in order {
                match done {
                    Ok(()) => world.apply(change, self.now),
                    // What gave up has changed nothing.
                    Err(Error::Conflict(_)) => {}
                    Err(error) => return Err(format!("{change:?}: {}", error.chain())),
                }
            }
        }
        let compared = self.compare(worlds).await;
        compared.map_err(|why| format!("{one:?} and {two:?} at once: {why}"))
    }

    /// A notification for a user reaches what is the user's and alive, once, and nobody else.
    async fn send(&mut self) -> Checked {
        let user = self.chance.below(USERS);
        self.now += 1;
        let id = NotificationId::draw(self.moment());
        self.store
            .put(&notification(&self.users[user], id, self.now))
            .await
            .unwrap();
        // A record may come twice.
        for _ in 0..=usize::from(self.chance.one_in(4)) {
            let target = (self.users[user].clone(), id);
            let clock = Clock::starting(self.moment());
            let done = self
                .pusher
                .deliver(&[target], clock, std::time::Duration::from_secs(30))
                .await;
            assert!(
                done.as_ref().is_ok_and(|done| done[0].is_ok()),
                "{:?}",
                done.map(drop)
            );
        }
        let expected = self.world.push(user, self.now);
        let outbox: Value = self
            .get(&format!("outbox?limit=1000&after={}", self.last))
            .await;
        self.last = outbox["next"].as_i64().unwrap();
        let pushes = outbox["data"].as_array().unwrap();
        let mut found: Vec<&str> = pushes
            .iter()
            .map(|push| push["token"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        if found != expected {
            return Err(format!(
                "a push for user {user} reached {found:?}, not {expected:?}"
            ));
        }
        self.compare(vec![self.world.clone()]).await
    }

    /// Takes the world that is what there is; an error if none of them is. In all of them every endpoint has a device.
    async fn compare(&mut self, mut worlds: Vec<World>) -> Checked {
        let (found, arns) = self.found().await;
        let Some(index) = worlds.iter().position(|world| world.view() == found) else {
            let expected: Vec<View> = worlds.iter().map(World::view).collect();
            return Err(format!("\nexpected {expected:#?}\nfound {found:#?}"));
        };
        self.world = worlds.swap_remove(index);
        for (place, number) in self.world.held() {
            self.arns.insert(number, arns[&place].clone());
        }
        // The owners' rows say the same.
        for (place, arn) in arns.iter().filter(|_| self.chance.one_in(4)) {
            let owner = self.store.owner(arn).await.unwrap();
            let is_it =
                |owner: shared::store::Owner| owner.is(&self.users[place.0], &self.ids[place.1]);
            if !owner.is_some_and(is_it) {
                return Err(format!("the endpoint of {place:?} has another owner"));
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_f35_i10_no_endpoint_is_leaked_and_no_push_goes_astray() {
    let ground = Ground::new().await;
    let client = ground.client().clone();
    let store = Store::new(client, ground.table().to_owned());
    let steps = number("TIDINGS_STEPS").unwrap_or(500);
    let seeds: Vec<u64> = match number("TIDINGS_SEED") {
        Some(seed) => vec![seed],
        None => (1..=steps.div_ceil(LIFE)).collect(),
    };
    let lives = stream::iter(seeds).map(async |seed| {
        let lived = Box::pin(Life::new(&store, seed).await.live(LIFE)).await;
        lived.map_err(|difference| format!("TIDINGS_SEED={seed}: {difference}"))
    });
    let wrong = lives
        .buffer_unordered(LIVES)
        .filter_map(async |lived| lived.err());
    let wrong: Vec<String> = wrong.collect().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
