//! The shell around a machine of room `run`: feeds it events, carries out its actions, turns its output into a response.
//!
//! It moves bytes and time. Every decision (retry, fallback, commit, error text) is the machine's.

use super::{clock, isolate, upstream};
use crate::account::content::Tap;
use crate::account::ledger::message::HEARTBEAT_EVERY;
use crate::catalog::{NanoUsd, Secret, Transport};
use crate::run::demo;
use crate::run::machine::{Action, CallId, Event, Machine, ResponseHead, TransportFault, UpstreamRequest};
use crate::wire::Millis;
use crate::wire::headers::{self, TraceParent};
use bytes::Bytes;
use futures::future::{FutureExt, LocalBoxFuture, poll_fn};
use futures::stream::{FuturesUnordered, StreamExt};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::task::Poll;
use worker::Env;

/// Called once with the machine when a request is over, however it ended; answers what it cost.
pub(super) type Finalizer = Box<dyn FnOnce(&dyn Machine) -> Option<NanoUsd>>;

/// Called every [`HEARTBEAT_EVERY`] while a reservation is open.
pub(super) type Heartbeat = Box<dyn Fn(&dyn Machine)>;

/// What goes along with a request besides its machine.
#[derive(Default)]
pub(super) struct Watch {
    /// Resolves when the caller hangs up.
    pub(super) caller_gone: Option<LocalBoxFuture<'static, ()>>,
    /// Extends a reservation.
    pub(super) heartbeat: Option<Heartbeat>,
    /// The caller's trace and the request's id: upstream calls are spans of that trace.
    pub(super) trace: Option<(TraceParent, String)>,
    /// Routers that an upstream's request has come through ([`headers::DEPTH`]), where it is told.
    pub(super) depth: Option<u32>,
    /// Keeps the beginning of what the caller is sent.
    pub(super) tap: Option<Rc<RefCell<Tap>>>,
}

/// A request in flight.
pub(super) struct Shell {
    env: Env,
    machine: Option<Box<dyn Machine>>,
    finalizer: Option<Finalizer>,
    sockets: BTreeMap<CallId, upstream::Socket>,
    in_pieces: BTreeSet<CallId>,
    pending: FuturesUnordered<LocalBoxFuture<'static, (CallId, Signal)>>,
    timer: Option<(Millis, LocalBoxFuture<'static, ()>)>,
    caller_gone: Option<LocalBoxFuture<'static, ()>>,
    head: Option<ResponseHead>,
    output: Vec<Bytes>,
    finished: bool,
    /// When what is being handled happened: the clock stands still between two waits, and asking it costs a crossing.
    now: Millis,
    cost: Option<NanoUsd>,
    heartbeat: Option<(Millis, Heartbeat)>,
    trace: Option<(TraceParent, String)>,
    depth: Option<u32>,
    tap: Option<Rc<RefCell<Tap>>>,
}

/// What a pending piece of upstream I/O came back with.
enum Signal {
    Answered(Result<upstream::Answer, TransportFault>),
    Read(upstream::Body, Result<Option<Bytes>, TransportFault>),
    Demo(VecDeque<Bytes>, Millis),
}

impl Shell {
    /// Starts a machine; its first actions are carried out at once.
    pub(super) fn start(env: Env, machine: Box<dyn Machine>, watch: Watch, finalizer: Finalizer) -> Self {
        let Watch {
            caller_gone,
            heartbeat,
            trace,
            depth,
            tap,
        } = watch;
        let now = clock::now();
        let mut shell = Self {
            env,
            machine: Some(machine),
            finalizer: Some(finalizer),
            sockets: BTreeMap::new(),
            in_pieces: BTreeSet::new(),
            pending: FuturesUnordered::new(),
            timer: None,
            caller_gone,
            head: None,
            output: Vec::new(),
            finished: false,
            now,
            cost: None,
            heartbeat: heartbeat.map(|heartbeat| (now.plus(HEARTBEAT_EVERY), heartbeat)),
            trace,
            depth,
            tap,
        };
        shell.carry_out();
        shell
    }

    /// Runs until status and headers are known.
    pub(super) async fn head(&mut self) -> ResponseHead {
        while self.head.is_none() && !self.finished {
            self.step().await;
        }
        self.head.take().unwrap_or(ResponseHead {
            status: 499,
            ..ResponseHead::default()
        })
    }

    /// The next body bytes, all that there are; `None` when the body is complete.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.output.len() {
                0 => {}
                1 => return self.output.pop(),
                _ => return Some(self.output.drain(..).collect::<Vec<_>>().concat().into()),
            }
            if self.finished {
                return None;
            }
            self.step().await;
        }
    }

    /// What the request cost, once it is over.
    pub(super) fn cost(&self) -> Option<NanoUsd> {
        self.cost
    }

    /// Waits for one event (upstream I/O, a deadline, the caller leaving) and lets the machine act on it.
    async fn step(&mut self) {
        self.arm_timer();
        let woken = self.wait().await;
        self.now = clock::now();
        self.beat();
        match woken {
            Woken::Upstream(call, signal) => self.receive(call, signal),
            Woken::Timer => {
                self.timer = None;
                self.feed(Event::Tick);
            }
            Woken::CallerGone => {
                self.caller_gone = None;
                self.feed(Event::CallerGone);
            }
        }
        self.carry_out();
    }

    /// An armed timer that fires too early only costs one needless tick, so it is replaced only by an earlier one.
    fn arm_timer(&mut self) {
        let wake = self.machine.as_ref().and_then(|machine| machine.next_wake());
        let beat = self.heartbeat.as_ref().map(|(at, _)| *at);
        let Some(due) = wake.into_iter().chain(beat).min() else {
            return;
        };
        if self.timer.as_ref().is_none_or(|(armed, _)| due < *armed) {
            self.timer = Some((due, clock::sleep(due.since(self.now)).boxed_local()));
        }
    }

    /// A stream that lasts longer than its reservation's lease says that it is alive, and what it has cost.
    fn beat(&mut self) {
        let now = self.now;
        if let (Some((at, heartbeat)), Some(machine)) = (&mut self.heartbeat, &self.machine)
            && now >= *at
        {
            *at = now.plus(HEARTBEAT_EVERY);
            heartbeat(machine.as_ref());
        }
    }

    async fn wait(&mut self) -> Woken {
        poll_fn(|context| {
            if let Poll::Ready(Some((call, signal))) = self.pending.poll_next_unpin(context) {
                return Poll::Ready(Woken::Upstream(call, signal));
            }
            if let Some((_, timer)) = &mut self.timer
                && timer.poll_unpin(context).is_ready()
            {
                return Poll::Ready(Woken::Timer);
            }
            if let Some(gone) = &mut self.caller_gone
                && gone.poll_unpin(context).is_ready()
            {
                return Poll::Ready(Woken::CallerGone);
            }
            Poll::Pending
        })
        .await
    }

    fn receive(&mut self, call: CallId, signal: Signal) {
        // A cancelled call may still have one completed future on the way.
        if !self.sockets.contains_key(&call) {
            return;
        }
        match signal {
            Signal::Answered(Ok(upstream::Answer { status, headers, body })) => {
                self.feed(Event::Headers { call, status, headers });
                match body {
                    Some(body) => self.read_on(call, body),
                    None => self.end(call),
                }
            }
            Signal::Read(body, Ok(Some(bytes))) => {
                self.feed(Event::Data { call, bytes });
                self.carry_out();
                self.read_on(call, body);
            }
            Signal::Read(_, Ok(None)) => self.end(call),
            Signal::Answered(Err(fault)) | Signal::Read(_, Err(fault)) => {
                self.close(call);
                self.feed(Event::Broken { call, fault });
            }
            Signal::Demo(mut chunks, interval) => match chunks.pop_front() {
                Some(bytes) => {
                    self.feed(Event::Data { call, bytes });
                    self.demo_on(call, chunks, interval);
                }
                None => self.end(call),
            },
        }
    }

    fn end(&mut self, call: CallId) {
        self.close(call);
        self.feed(Event::End { call });
    }

    /// Forgets a socket that the upstream has closed.
    fn close(&mut self, call: CallId) {
        if let Some(socket) = self.sockets.remove(&call) {
            socket.closed();
        }
    }

    fn read_on(&mut self, call: CallId, mut body: upstream::Body) {
        // The machine may have cancelled the call because of what it read.
        if !self.sockets.contains_key(&call) {
            return;
        }
        let in_pieces = self.in_pieces.contains(&call);
        self.pending.push(
            async move {
                let read = body.read(in_pieces).await;
                (call, Signal::Read(body, read))
            }
            .boxed_local(),
        );
    }

    fn feed(&mut self, event: Event) {
        if let Some(machine) = self.machine.as_mut() {
            isolate::with_health(|health| machine.handle(self.now, event, health));
        }
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.machine.as_mut().and_then(|machine| machine.poll()) {
            match action {
                Action::Call(request) => self.call(*request),
                Action::Cancel(call) => drop(self.sockets.remove(&call)),
                Action::InPieces(call) => drop(self.in_pieces.insert(call)),
                Action::Start(head) => self.head = Some(head),
                Action::Emit(bytes) => {
                    if let Some(tap) = &self.tap {
                        tap.borrow_mut().push(&bytes);
                    }
                    self.output.push(bytes);
                }
                Action::Finish => self.finish(),
            }
        }
    }

    fn call(&mut self, mut request: UpstreamRequest) {
        let call = request.call;
        if let Some((trace, request_id)) = &self.trace {
            let value = Secret::new(trace.of_call(request_id, call.0));
            request.headers.push(("traceparent".to_owned(), value));
        }
        if let Some(depth) = self.depth {
            let value = Secret::new(depth.to_string());
            request.headers.push((headers::DEPTH.to_owned(), value));
        }
        if request.transport == Transport::Demo {
            self.sockets.insert(call, upstream::Socket::none());
            let answer = demo::answer(request.url.expose(), &request.body);
            let headers = vec![("content-type".to_owned(), answer.content_type.to_owned())];
            self.feed(Event::Headers {
                call,
                status: answer.status,
                headers,
            });
            self.demo_on(call, answer.chunks.into(), answer.interval);
            return;
        }
        match upstream::open(&self.env, &request) {
            Ok((socket, answer)) => {
                self.sockets.insert(call, socket);
                self.pending
                    .push(async move { (call, Signal::Answered(answer.await)) }.boxed_local());
            }
            Err(fault) => self.feed(Event::Broken { call, fault }),
        }
    }

    /// The demo provider's next piece, after its pause.
    fn demo_on(&mut self, call: CallId, chunks: VecDeque<Bytes>, interval: Millis) {
        self.pending.push(
            async move {
                if interval.0 > 0 && !chunks.is_empty() {
                    clock::sleep(interval).await;
                }
                (call, Signal::Demo(chunks, interval))
            }
            .boxed_local(),
        );
    }

    /// The request is over: every socket still open is closed, and the books are done once.
    fn finish(&mut self) {
        self.finished = true;
        self.sockets.clear();
        self.timer = None;
        if let (Some(machine), Some(finalizer)) = (self.machine.take(), self.finalizer.take()) {
            self.cost = finalizer(machine.as_ref());
        }
    }
}

impl Drop for Shell {
    /// A response stream that the runtime cancels is dropped: the caller has gone.
    fn drop(&mut self) {
        if !self.finished {
            self.now = clock::now();
            self.feed(Event::CallerGone);
            self.finish();
        }
    }
}

/// What ended a wait.
enum Woken {
    Upstream(CallId, Signal),
    Timer,
    CallerGone,
}
