/**
 * A QR code as an SVG path: dark on white whatever the colours around it, error correction L (the screen is clean, and
 * larger modules read better), alphanumeric mode. Its modules are whole device pixels wide, so that every edge is sharp.
 */

import qrcode from "qrcode-generator";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

const QUIET = 4;

export function QrCode({ text, label }: { text: string; label: string }) {
  const { path, side } = useMemo(() => draw(text), [text]);
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const box = frame.current;
    if (box === null) return;
    const observer = new ResizeObserver(() => setWidth(fitting(box.clientWidth, side)));
    observer.observe(box);
    setWidth(fitting(box.clientWidth, side));
    return () => observer.disconnect();
  }, [side]);
  return (
    <div class="code" ref={frame}>
      <svg role="img" aria-label={label} viewBox={`0 0 ${side} ${side}`} width={width} height={width}>
        <rect width={side} height={side} fill="#fff" />
        <path d={path} fill="#000" shape-rendering="crispEdges" />
      </svg>
    </div>
  );
}

/** The greatest width up to `available` (CSS pixels) at which a module is a whole number of device pixels. */
function fitting(available: number, side: number): number {
  const module = Math.floor((available * devicePixelRatio) / side);
  return module < 1 ? available : (module * side) / devicePixelRatio;
}

function draw(text: string): { path: string; side: number } {
  const code = qrcode(0, "L");
  code.addData(text, "Alphanumeric");
  code.make();
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row++) {
    for (let start = 0; start < count; start++) {
      let end = start;
      while (end < count && code.isDark(row, end)) end++;
      if (end > start) path += `M${start + QUIET} ${row + QUIET}h${end - start}v1h${start - end}z`;
      start = end;
    }
  }
  return { path, side: count + 2 * QUIET };
}
