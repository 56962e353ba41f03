//! `Ledger`: budgets, usage and traces of one policy, and of one provider with a cap (named `provider:<id>`).
//!
//! Storage and transport only: what is granted and charged is decided by `account::ledger`. Between reading and writing there is no
//! await, so every decision is atomic; the platform holds each answer back until its rows are safe.

mod book;
mod store;

use self::book::Book;
use self::store::{Look, Store};
use super::client::{ObjectError, answer, call, question};
use crate::account::asked::{Asked, AskedRequest};
use crate::account::figures::FiguresPart;
use crate::account::ledger::query::{
    BudgetsAnswer, BudgetsRequest, FindRequest, KeyState, KeysAnswer, ListRequest, MAX_KIDS, MetricsPart, PauseRequest,
    RevokeRequest, UsageRequest,
};
use crate::account::ledger::{
    self, BudgetRule, Granted, HeartbeatAnswer, HeartbeatRequest, KnownCost, Lease, Line, ProviderCap, Refusal,
    ReserveAnswer, ReserveRequest, SettleAmountRequest, SettleAnswer, SettleRequest, Stage, Subject, Ticket, pace,
};
use crate::account::listing::RequestFilter;
use crate::account::reprice::{RepriceRequest, RepricedPart};
use crate::account::rollup;
use crate::account::usage::RequestRow;
use crate::catalog::NanoUsd;
use crate::catalog::document::{BudgetScope, BudgetWindow};
use crate::edge::{clock, config};
use crate::wire::{ApiError, Millis};
use futures::future::join_all;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

/// When an object looks after itself although nobody calls: expires reservations, stores sums, forgets old rows.
const HOUSEKEEPING: Duration = Duration::from_hours(6);

/// Name of the Ledger that holds a provider's cap.
pub(in crate::edge) fn provider_ledger(provider: &str) -> String {
    format!("provider:{provider}")
}

/// The Durable Object.
#[durable_object]
pub struct Ledger {
    state: State,
    env: Env,
    book: RefCell<Option<Book>>,
    /// Counts how often the book was read: a number noted before a wait means nothing after another reading.
    epoch: Cell<u64>,
    alarm_is_set: Cell<bool>,
}

impl DurableObject for Ledger {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            book: RefCell::default(),
            epoch: Cell::new(0),
            alarm_is_set: Cell::new(false),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let (path, body) = question(request).await?;
        match path.as_str() {
            "/reserve" => answer(Ok(self.reserve(serde_json::from_str(&body)?).await?)),
            "/settle" => {
                let requests: Vec<SettleRequest> = serde_json::from_str(&body)?;
                let answers = join_all(requests.into_iter().map(|request| self.settle(request))).await;
                answer(Ok(answers.into_iter().collect::<Result<Vec<_>>>()?))
            }
            "/settle/amount" => answer(Ok(self.settle_amount(&serde_json::from_str(&body)?).await?)),
            "/heartbeat" => answer(Ok(self.heartbeat(&serde_json::from_str(&body)?).await?)),
            "/revoke" => answer(Ok(self.revoke(&serde_json::from_str(&body)?)?)),
            "/pause" => answer(Ok(self.pause(serde_json::from_str(&body)?)?)),
            "/budgets" => {
                let states = self.keys(&serde_json::from_str(&body)?)?;
                let budgets: BudgetsAnswer = states.into_iter().map(|state| state.budgets).collect();
                answer(Ok(budgets))
            }
            "/keys" => answer(Ok(self.keys(&serde_json::from_str(&body)?)?)),
            "/requests" => {
                let ListRequest { policy, filter } = serde_json::from_str(&body)?;
                answer(Ok(
                    self.reading(|book, store, _| store.list(&book.days, &policy, &filter))?
                ))
            }
            "/figures" => {
                let filter: RequestFilter = serde_json::from_str(&body)?;
                let mut part = FiguresPart::default();
                part.complete = self.look(filter.from, filter.to, |row| part.add(&filter, row)).await?;
                answer(Ok(part))
            }
            "/reprice" => {
                let request: RepriceRequest = serde_json::from_str(&body)?;
                let mut part = RepricedPart::default();
                part.complete = self
                    .look(Some(request.since), None, |row| part.add(&request, row))
                    .await?;
                answer(Ok(part))
            }
            "/asked" => {
                let request: AskedRequest = serde_json::from_str(&body)?;
                let mut asked = Asked::default();
                asked.complete = self
                    .look(Some(request.since), None, |row| asked.add(request, row))
                    .await?;
                answer(Ok(asked))
            }
            "/request" => {
                let find: FindRequest = serde_json::from_str(&body)?;
                answer(Ok(self.reading(|book, store, _| store.find(&book.days, &find))?))
            }
            "/usage" => {
                let UsageRequest { policy, query } = serde_json::from_str(&body)?;
                let (from, to) = query.hours();
                answer(Ok(self.reading(|book, store, _| {
                    Ok(rollup::group(&query, &policy, &book.hours(store, from, to)?))
                })?))
            }
            "/metrics" => answer(Ok(self.metrics()?)),
            _ => answer::<()>(Err(ApiError::not_found(
                "the Ledger object has no such path".to_owned(),
            ))),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        let rests = self.reading(|book, store, now| {
            book.checkpoint(store, now)?;
            Ok(book.days.is_empty() && book.state.open_leases().next().is_none())
        })?;
        self.alarm_is_set.set(!rests);
        if !rests {
            self.state.storage().set_alarm(HOUSEKEEPING).await?;
        }
        Response::empty()
    }
}

impl Ledger {
    async fn reserve(&self, request: ReserveRequest) -> Result<ReserveAnswer> {
        let (answer, is_new) = self.with_book(|book, store, now| {
            book.know(store, &request.kid)?;
            book.expire(store, now)?;
            let (answer, row) = ledger::reserve(&mut book.state, &request, now);
            if let Some(row) = row.as_ref().filter(|_| request.providers.is_empty()) {
                store.put_lease(row)?;
            }
            Ok((answer, row.is_some()))
        })?;
        match answer {
            ReserveAnswer::Granted(granted) if is_new && !request.providers.is_empty() => {
                self.reserve_at_providers(&request, granted).await
            }
            answer => Ok(answer),
        }
    }

    /// Asks the Ledgers of capped providers while the policy's money is already held. The reservation's row is stored only when all of
    /// them have answered, so that nothing is left behind when one refuses or this object dies in between.
    async fn reserve_at_providers(&self, request: &ReserveRequest, mut granted: Granted) -> Result<ReserveAnswer> {
        let seq = granted.ticket.seq;
        let mut held: Vec<(String, Ticket)> = Vec::new();
        for cap in &request.providers {
            let asked = self
                .ask::<_, ReserveAnswer>(&cap.provider, "/reserve", &provider_request(request, cap))
                .await;
            match asked {
                Ok(ReserveAnswer::Granted(theirs)) => held.push((cap.provider.clone(), theirs.ticket)),
                Ok(ReserveAnswer::Refused(_)) if !cap.required => granted.capped_providers.push(cap.provider.clone()),
                Ok(ReserveAnswer::Refused(refusal)) => {
                    self.give_back(seq, held).await?;
                    return Ok(ReserveAnswer::Refused(provider_refusal(&cap.provider, refusal)));
                }
                Err(error) => {
                    self.give_back(seq, held).await?;
                    return Err(error);
                }
            }
        }
        self.with_book(
            |book, store, _| match ledger::add_providers(&mut book.state, seq, held) {
                Some(row) => store.put_lease(&row),
                None => Err("the reservation was lost while providers were asked".into()),
            },
        )?;
        Ok(ReserveAnswer::Granted(granted))
    }

    async fn give_back(&self, seq: u64, held: Vec<(String, Ticket)>) -> Result<()> {
        self.with_book(|book, _, _| {
            ledger::cancel(&mut book.state, seq);
            Ok(())
        })?;
        for (provider, ticket) in held {
            let nothing = SettleAmountRequest {
                ticket,
                amount: NanoUsd::ZERO,
            };
            // What cannot be given back now expires there with nothing used.
            let _ = self.ask::<_, SettleAnswer>(&provider, "/settle/amount", &nothing).await;
        }
        Ok(())
    }

    async fn settle(&self, request: SettleRequest) -> Result<SettleAnswer> {
        let (answer, abroad, last, wait) = self.with_book(|book, store, now| {
            book.expire(store, now)?;
            let abroad = provider_settlements(book, &request);
            let answer = book.settle(store, request, now)?;
            let wait = book.flush_or_wait(store, now)?;
            Ok((answer, abroad, book.last_posting(), wait))
        })?;
        let epoch = self.epoch.get();
        for (provider, settlement) in abroad {
            // What does not arrive there expires at its last known usage; the policy's own sums are right either way.
            let _ = self
                .ask::<_, SettleAnswer>(&provider, "/settle/amount", &settlement)
                .await;
        }
        self.finish_settlement(wait, last, epoch).await?;
        Ok(answer)
    }

    async fn settle_amount(&self, request: &SettleAmountRequest) -> Result<SettleAnswer> {
        let (answer, last, wait) = self.with_book(|book, store, now| {
            book.expire(store, now)?;
            let answer = book.settle_amount(store, request, now)?;
            let wait = book.flush_or_wait(store, now)?;
            Ok((answer, book.last_posting(), wait))
        })?;
        self.finish_settlement(wait, last, self.epoch.get()).await?;
        Ok(answer)
    }

    async fn finish_settlement(&self, wait: bool, posting: u64, epoch: u64) -> Result<()> {
        if wait {
            clock::sleep(pace::HOLD).await;
            self.store_through(posting, epoch)?;
        }
        self.set_alarm_once().await
    }

    /// Stores what waits unless somebody else has done it.
    fn store_through(&self, posting: u64, epoch: u64) -> Result<()> {
        self.with_book(|book, store, now| {
            if book.stored_through < posting {
                book.flush(store, now)
            } else {
                Ok(())
            }
        })?;
        if self.epoch.get() == epoch {
            Ok(())
        } else {
            // The book was read again while this settlement waited: it may not be in there. Settling again is safe.
            Err("the settlement was interrupted: settle again".into())
        }
    }

    async fn heartbeat(&self, request: &HeartbeatRequest) -> Result<HeartbeatAnswer> {
        let (answer, lease) = self.with_book(|book, store, now| {
            book.expire(store, now)?;
            let (answer, row) = ledger::heartbeat(&mut book.state, request, now);
            if let Some(row) = &row {
                store.put_lease(row)?;
            }
            Ok((answer, row.map(|row| row.lease)))
        })?;
        for (provider, ticket) in lease.iter().flat_map(|lease| &lease.providers) {
            let known = lease.as_ref().map_or(NanoUsd::ZERO, |lease: &Lease| {
                ledger::known_of_provider(lease, provider)
            });
            let beat = HeartbeatRequest {
                ticket: ticket.clone(),
                known: vec![KnownCost { call: 0, amount: known }],
                lease: request.lease,
            };
            let _ = self.ask::<_, HeartbeatAnswer>(provider, "/heartbeat", &beat).await;
        }
        Ok(answer)
    }

    fn revoke(&self, request: &RevokeRequest) -> Result<Millis> {
        self.with_book(|book, store, _| {
            store.put_revoked(&request.kid, request.at)?;
            book.state.revoke(&request.kid, request.at);
            Ok(request.at)
        })
    }

    /// Most calls change nothing: those of keys that were never paused.
    fn pause(&self, PauseRequest { kid, paused }: PauseRequest) -> Result<bool> {
        let subject = kid.map_or(Subject::Policy, Subject::Key);
        self.with_book(|book, store, _| {
            let changed = book.state.pause(subject.clone(), paused);
            if changed {
                store.put_paused(&subject, paused)?;
            }
            Ok(changed)
        })
    }

    fn keys(&self, request: &BudgetsRequest) -> Result<KeysAnswer> {
        self.reading(|book, store, now| {
            let mut all = Vec::new();
            for kid in request.kids.iter().take(MAX_KIDS) {
                book.know(store, kid)?;
                all.push(KeyState {
                    budgets: ledger::budgets(&mut book.state, &request.policy, kid, &request.rules, now),
                    last_used: book.state.last_used(kid),
                });
            }
            Ok(all)
        })
    }

    /// Shows `each` the newest rows of a period; true: there are no others. Others are served between the steps.
    async fn look(&self, from: Option<Millis>, to: Option<Millis>, mut each: impl FnMut(&RequestRow)) -> Result<bool> {
        let mut look = Look::new(from, to);
        loop {
            if let Some(all) = self.reading(|book, store, _| store.look(&book.days, &mut look, &mut each))? {
                return Ok(all);
            }
            clock::sleep(Millis(0)).await;
        }
    }

    fn metrics(&self) -> Result<MetricsPart> {
        self.reading(|book, store, _| {
            let (ever, counters) = (book.ever(store)?.clone(), book.counters.clone());
            let (mut open, mut reserved) = (0, NanoUsd::ZERO);
            for lease in book.state.open_leases() {
                open += 1;
                reserved = reserved.saturating_add(lease.reserved());
            }
            let revoked = book.state.revoked_keys() as u64;
            Ok(MetricsPart {
                ever,
                counters,
                open,
                reserved,
                revoked,
            })
        })
    }

    /// Answers from a book in which nothing is overdue and nothing waits to be stored.
    fn reading<T>(&self, read: impl FnOnce(&mut Book, &Store, Millis) -> Result<T>) -> Result<T> {
        self.with_book(|book, store, now| {
            book.expire(store, now)?;
            book.flush(store, now)?;
            read(book, store, now)
        })
    }

    /// Runs `act` on the book without an await. After an error the book is read again, because it may have run ahead of its rows.
    fn with_book<T>(&self, act: impl FnOnce(&mut Book, &Store, Millis) -> Result<T>) -> Result<T> {
        let mut place = self.book.borrow_mut();
        let store = Store::new(self.state.storage().sql());
        let mut book = if let Some(book) = place.take() {
            book
        } else {
            self.epoch.set(self.epoch.get().saturating_add(1));
            Book::open(&store)?
        };
        let now = book.tick(clock::now());
        let done = act(&mut book, &store, now)?;
        *place = Some(book);
        Ok(done)
    }

    async fn set_alarm_once(&self) -> Result<()> {
        if !self.alarm_is_set.replace(true) && self.state.storage().get_alarm().await?.is_none() {
            self.state.storage().set_alarm(HOUSEKEEPING).await?;
        }
        Ok(())
    }

    async fn ask<Q: serde::Serialize, A: serde::de::DeserializeOwned>(
        &self,
        provider: &str,
        path: &str,
        question: &Q,
    ) -> Result<A> {
        let asked = call(&self.env, config::LEDGER, &provider_ledger(provider), path, question).await;
        asked.map_err(|error| match error {
            ObjectError::Refused(error) => worker::Error::RustError(error.message),
            ObjectError::Unreachable(why) => worker::Error::RustError(why),
        })
    }
}

/// A policy is to a provider's cap what a key is to a policy.
fn provider_request(request: &ReserveRequest, cap: &ProviderCap) -> ReserveRequest {
    ReserveRequest {
        id: request.id.clone(),
        policy: provider_ledger(&cap.provider),
        kid: request.policy.clone(),
        lines: vec![Line {
            call: 0,
            stage: Stage::Request,
            target: cap.provider.clone(),
            amount: cap.amount,
        }],
        tokens: 0,
        budgets: vec![BudgetRule {
            window: BudgetWindow::Month,
            scope: BudgetScope::Policy,
            hard: true,
            limit: cap.limit,
        }],
        rates: Vec::new(),
        providers: Vec::new(),
        lease: request.lease,
    }
}

fn provider_refusal(provider: &str, refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Budget { budget, needed } => Refusal::ProviderBudget {
            provider: provider.to_owned(),
            budget,
            needed,
        },
        refusal => refusal,
    }
}

/// Settlements due at capped providers when `request` settles.
fn provider_settlements(book: &Book, request: &SettleRequest) -> Vec<(String, SettleAmountRequest)> {
    let lease = request.seq.and_then(|seq| book.state.lease(seq));
    let Some(lease) = lease.filter(|lease| lease.ticket.id == request.id) else {
        return Vec::new();
    };
    let settlement = |(provider, ticket): &(String, Ticket)| {
        let amount = request.total_of_provider(provider);
        (
            provider.clone(),
            SettleAmountRequest {
                ticket: ticket.clone(),
                amount,
            },
        )
    };
    lease.providers.iter().map(settlement).collect()
}
