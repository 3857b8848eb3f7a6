/** Text of /metrics: both formats, and what a label may hold. */
import { describe, expect, it } from 'vitest';
import { Exposition, expositionFormat, labelsText } from '../../../src/control/metrics/exposition.ts';

it('keeps the last bound of a histogram that prom-client has collected', () => {
  expect([labelsText({ le: '+Inf' }), labelsText({ le: 2 })]).toEqual(['le="+Inf"', 'le="2.0"']);
});

describe('an exposition', () => {
  it('names a counter with its suffix, its family without it in OpenMetrics', () => {
    const write = (format: 'text' | 'openMetrics') => {
      const exposition = new Exposition(format);
      exposition.collected({ name: 'a', type: 'counter', help: 'Help\nof "a".' }, [{ labels: {}, value: 3 }]);
      return exposition.text();
    };
    expect(write('text')).toBe('# HELP a_total Help\\nof "a".\n# TYPE a_total counter\na_total 3\n');
    expect(write('openMetrics')).toBe('# HELP a Help\\nof "a".\n# TYPE a counter\na_total 3\n# EOF\n');
  });

  it('adds up buckets, and shows a traced call in OpenMetrics only', () => {
    const traced = { traceId: 'f'.repeat(32), seconds: 0.7, gas: 9, timeMs: 1_700_000_000_123 };
    const write = (format: 'text' | 'openMetrics') => {
      const exposition = new Exposition(format);
      const distribution = { bounds: [0.5, 1], buckets: [2, 3, 1], sum: 4.5, traced: [undefined, traced] };
      exposition.histogram('h', 'handler="otter"', distribution);
      return exposition.text();
    };
    expect(write('text')).toBe(
      'h_bucket{handler="otter",le="0.5"} 2\nh_bucket{handler="otter",le="1.0"} 5\nh_bucket{handler="otter",le="+Inf"} 6\n' +
        'h_sum{handler="otter"} 4.5\nh_count{handler="otter"} 6\n',
    );
    expect(write('openMetrics')).toContain(
      `h_bucket{handler="otter",le="1.0"} 5 # {trace_id="${'f'.repeat(32)}"} 0.7 1700000000.123\n`,
    );
  });

  it('escapes labels, and writes numbers that are none', () => {
    expect(labelsText({ a: 'x"\\\n', le: 2 })).toBe('a="x\\"\\\\\\n",le="2.0"');
    const exposition = new Exposition('text');
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      exposition.value('v', '', value);
    expect(exposition.text()).toBe('v NaN\nv +Inf\nv -Inf\n');
  });

  it('is OpenMetrics for clients that name it', () => {
    expect(expositionFormat('application/openmetrics-text;version=1.0.0,text/plain;q=0.5')).toBe('openMetrics');
    expect(expositionFormat('*/*')).toBe('text');
    expect(expositionFormat('')).toBe('text');
  });
});
