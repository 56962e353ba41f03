/** Complexity against risk, with the regions where more than one model is asked. */
import type { JSX } from 'preact'

interface QuadrantProps {
  complexity: number
  risk: number
  verifyRisk: number | null | undefined
  fusionComplexity: number | null | undefined
  fusionRisk: number | null | undefined
}

const size = 220
const left = 34
const bottom = 26

export function regionOf({
  complexity,
  risk,
  verifyRisk,
  fusionComplexity,
  fusionRisk,
}: QuadrantProps): 'fusion' | 'verify' | 'single' {
  if ((fusionComplexity != null && complexity >= fusionComplexity) || (fusionRisk != null && risk >= fusionRisk))
    return 'fusion'
  return verifyRisk != null && risk >= verifyRisk ? 'verify' : 'single'
}

export function Quadrant(props: QuadrantProps): JSX.Element {
  const { complexity, risk, verifyRisk, fusionComplexity, fusionRisk } = props
  const x = (value: number) => left + value * size
  const y = (value: number) => (1 - value) * size
  const fusionX = x(fusionComplexity ?? 1)
  const fusionTop = y(fusionRisk ?? 1)
  return (
    <svg
      class="chart quadrant"
      width={left + size + 8}
      height={size + bottom}
      role="img"
      aria-label={`Complexity ${complexity.toFixed(2)}, risk ${risk.toFixed(2)}: region ${regionOf(props)}.`}
    >
      <rect class="region" x={left} y={0} width={size} height={size} />
      {verifyRisk != null && <rect class="region-verify" x={left} y={0} width={size} height={y(verifyRisk)} />}
      {(fusionComplexity != null || fusionRisk != null) && (
        <>
          <rect class="region-fusion" x={left} y={0} width={size} height={fusionTop} />
          <rect
            class="region-fusion"
            x={fusionX}
            y={fusionTop}
            width={left + size - fusionX}
            height={size - fusionTop}
          />
        </>
      )}
      {fusionRisk != null && (
        <text x={left + 8} y={Math.min(fusionTop - 6, 18)}>
          fusion
        </text>
      )}
      {verifyRisk != null && (
        <text x={left + 8} y={y(verifyRisk) - 8}>
          verify
        </text>
      )}
      <text x={left + 8} y={size - 10}>
        single
      </text>
      <circle class="point" cx={x(complexity)} cy={y(risk)} r={6} />
      <text class="axis" x={left} y={size + 18}>
        0
      </text>
      <text class="axis" x={left + size / 2} y={size + 18} text-anchor="middle">
        complexity
      </text>
      <text class="axis" x={left + size} y={size + 18} text-anchor="end">
        1
      </text>
      <text class="axis" x={left - 8} y={size} text-anchor="end">
        0
      </text>
      <text class="axis" x={left - 8} y={12} text-anchor="end">
        1
      </text>
      <text class="axis" x={left - 8} y={size / 2} text-anchor="end">
        risk
      </text>
    </svg>
  )
}
