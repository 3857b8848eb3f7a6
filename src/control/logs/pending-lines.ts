/** Lines before they have a cursor: checks those of runners, and makes the log's own. */
import { logLimits } from '../../protocol/limits.ts';
import { blockLimits } from '../../protocol/log-block.ts';
import { readFields } from '../../protocol/log-block-reader.ts';
import { type HandlerId, handlerIdOf } from '../../protocol/names.ts';
import { logLevels, logStreams, type PendingLogLine } from '../../protocol/nouns.ts';
import { previewLimits } from '../../protocol/previews.ts';

/** Characters of a text; a runner cuts its texts below that, so longer ones are cut here. */
const textCharsMax = 2 * logLimits.lineBytes;

/**
 * Returns the line with values that can be stored. A runner runs hostile guests: a bad line of a runner is stored in a
 * valid form and never breaks the batch of others.
 */
export function plausible(line: PendingLogLine): PendingLogLine {
  const whole = (n: number) => (Number.isSafeInteger(n) && n >= 0 ? n : 0);
  const preview = String(line.preview ?? '').slice(0, previewLimits.slugChars);
  return {
    ...(preview === '' ? {} : { preview }),
    handlerId: handlerIdOf(String(line.handlerId)),
    deployment: whole(line.deployment),
    invocation: String(line.invocation).slice(0, 100),
    seq: whole(line.seq),
    timeMs: whole(Math.round(line.timeMs)),
    gas: whole(line.gas),
    stream: logStreams.includes(line.stream) ? line.stream : 'log',
    level: Number.isSafeInteger(line.level) ? line.level : logLevels.info,
    text: String(line.text).slice(0, textCharsMax),
    ...(isStatus(line.status) ? { status: line.status } : {}),
    ...(isFields(line.fields) ? { fields: line.fields } : {}),
  };
}

function isStatus(status: unknown): status is number {
  return Number.isSafeInteger(status) && Number(status) >= 100 && Number(status) <= 999;
}

function isFields(fields: unknown): fields is string {
  return typeof fields === 'string' && fields.length <= blockLimits.fieldsChars && readFields(fields) !== undefined;
}

/** Makes the line by which the log reports lost lines. `timeMs` in Unix milliseconds. */
export function lossLine(handlerId: HandlerId, count: number, timeMs: number): PendingLogLine {
  return {
    handlerId,
    deployment: 0,
    invocation: '',
    seq: 0,
    timeMs,
    gas: 0,
    stream: 'platform',
    level: logLevels.warning,
    text: `${count} log line${count === 1 ? ' was' : 's were'} dropped here: more were written than could be stored`,
  };
}
