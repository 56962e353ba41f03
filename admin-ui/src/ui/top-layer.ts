/** Boxes that open from a control: in the top layer, so that no scrolling parent clips them and no panel covers them. */
import type { RefObject } from 'preact'
import { useLayoutEffect } from 'preact/hooks'

const gap = 4
const margin = 8

export interface Rect {
  left: number
  right: number
  top: number
  bottom: number
}

/** Where a box goes: under its anchor if it fits there, else on the roomier side; never outside the window. */
export function place(
  anchor: Rect,
  box: { width: number; height: number },
  view: { width: number; height: number },
  align: 'start' | 'end',
): { left: number; top: number; maxHeight: number } {
  const below = view.height - anchor.bottom - gap - margin
  const above = anchor.top - gap - margin
  const under = box.height <= below || below >= above
  const maxHeight = Math.max(80, under ? below : above)
  const height = Math.min(box.height, maxHeight)
  const wanted = align === 'start' ? anchor.left : anchor.right - box.width
  return {
    left: Math.max(margin, Math.min(wanted, view.width - box.width - margin)),
    top: under ? anchor.bottom + gap : anchor.top - gap - height,
    maxHeight,
  }
}

/** Shows `box` in the top layer beside `anchor` while `open`; follows scrolling and resizing. */
export function useTopLayer(
  open: boolean,
  anchor: RefObject<HTMLElement | null>,
  box: RefObject<HTMLElement | null>,
  align: 'start' | 'end',
): void {
  useLayoutEffect(() => {
    const element = box.current
    if (!open || !element) return
    element.showPopover?.()
    const follow = () => {
      const from = anchor.current?.getBoundingClientRect()
      if (!from) return
      element.style.maxHeight = ''
      const at = place(
        from,
        { width: element.offsetWidth, height: element.offsetHeight },
        { width: innerWidth, height: innerHeight },
        align,
      )
      element.style.left = `${at.left}px`
      element.style.top = `${at.top}px`
      element.style.maxHeight = `min(320px, ${at.maxHeight}px)`
    }
    follow()
    const observer = typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(follow)
    observer?.observe(element)
    addEventListener('scroll', follow, { capture: true, passive: true })
    addEventListener('resize', follow)
    return () => {
      observer?.disconnect()
      removeEventListener('scroll', follow, { capture: true })
      removeEventListener('resize', follow)
    }
  }, [open])
}
