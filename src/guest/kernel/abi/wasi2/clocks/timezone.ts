/** wasi:clocks/timezone: functions run in UTC. */
import { func, record } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import { datetimeType } from './wall-clock.ts';

const name = 'wasi:clocks/timezone@0.2';

const displayType = record({ 'utc-offset': 's32', name: 'string', 'in-daylight-saving-time': 'bool' });

/** Returns how to show the time `when`: offset, name and daylight saving time of UTC. */
const display = witRow('display', func({ when: datetimeType }, displayType), () => ({
  utcOffset: 0,
  name: 'UTC',
  inDaylightSavingTime: false,
}));

/** Returns the seconds by which local time is ahead of UTC at `when`: 0. */
const utcOffset = witRow('utc-offset', func({ when: datetimeType }, 's32'), () => 0);

export const timezone = witInterface('wasi2', name, [display, utcOffset]);
