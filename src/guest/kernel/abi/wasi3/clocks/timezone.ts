/** wasi:clocks/timezone: functions run in UTC. */
import { func, option } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import { instantType } from './system-clock.ts';

/** Returns the name of the time zone in the IANA database: UTC. */
const ianaId = witRow('iana-id', func({}, option('string')), () => 'UTC');

/** Returns the nanoseconds by which local time is ahead of UTC at `when`: 0. */
const utcOffset = witRow('utc-offset', func({ when: instantType }, option('s64')), () => 0n);

/** Returns a text about the time zone, for people. */
const toDebugString = witRow('to-debug-string', func({}, 'string'), () => 'UTC');

export const timezone = witInterface('wasi3', 'wasi:clocks/timezone@0.3', [ianaId, utcOffset, toDebugString]);
