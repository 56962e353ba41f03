//! A response body that is pushed into the platform's stream as it is made. The stream asks for nothing: a promise for every chunk would
//! cost more than the chunk. When the caller reads too slowly the source is left alone until there is room again.

use bytes::Bytes;
use futures::channel::mpsc;
use futures::future::{Either, select};
use futures::{Stream, StreamExt};
use js_sys::{Object, Reflect, Uint8Array};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use wasm_bindgen::{JsValue, closure::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{ReadableStream, ReadableStreamDefaultController};

/// Chunks that wait for the caller before the source is left alone.
const MOST_WAITING: f64 = 32.0;

type Source = Pin<Box<dyn Stream<Item = Bytes>>>;

/// What the stream tells its source.
enum News {
    /// There is room.
    Room,
    /// The caller has gone.
    Gone,
}

/// The platform's stream of `source`. When the caller leaves, `source` is dropped.
///
/// # Errors
/// Only when the platform refuses to build the stream.
pub(super) fn stream(source: impl Stream<Item = Bytes> + 'static) -> Result<ReadableStream, JsValue> {
    let (news, told) = mpsc::unbounded();
    let (is_full, sender) = (Rc::new(Cell::new(false)), news.clone());
    let full = Rc::clone(&is_full);
    // Called after every chunk; only a source that was left alone wants to know.
    let pull = Closure::<dyn Fn()>::new(move || {
        if full.replace(false) {
            let _ = sender.unbounded_send(News::Room);
        }
    });
    let cancel = Closure::<dyn Fn()>::new(move || drop(news.unbounded_send(News::Gone)));
    let start = Closure::once_into_js(move |controller: ReadableStreamDefaultController| {
        spawn_local(push(Box::pin(source), controller, told, is_full));
    });
    // The members of an underlying source, as the Streams standard calls it.
    let underlying = Object::new();
    for (name, member) in [
        ("start", start),
        ("pull", pull.into_js_value()),
        ("cancel", cancel.into_js_value()),
    ] {
        Reflect::set(&underlying, &name.into(), &member)?;
    }
    ReadableStream::new_with_underlying_source(&underlying)
}

async fn push(
    mut source: Source,
    controller: ReadableStreamDefaultController,
    mut told: mpsc::UnboundedReceiver<News>,
    is_full: Rc<Cell<bool>>,
) {
    loop {
        let next = match select(source.next(), told.next()).await {
            Either::Left((next, _)) => next,
            Either::Right((Some(News::Room), _)) => continue,
            Either::Right((Some(News::Gone) | None, _)) => return,
        };
        let Some(bytes) = next else {
            let _ = controller.close();
            return;
        };
        if controller
            .enqueue_with_chunk(&Uint8Array::from(bytes.as_ref()))
            .is_err()
        {
            return;
        }
        while controller.desired_size().unwrap_or(0.0) <= -MOST_WAITING {
            is_full.set(true);
            match told.next().await {
                Some(News::Room) => {}
                Some(News::Gone) | None => return,
            }
        }
    }
}
