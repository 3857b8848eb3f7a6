/**
 * Functions of trisiel:component/async for calls between the parts of a composed component. Code that the linker writes
 * (src/guest/component/task-glue.ts) calls them; a component cannot define them.
 */
import { blocked } from '../../../canonical/async/copy-end.ts';
import { callState, PartSubtask, type Task } from '../../../canonical/async/task.ts';
import { tasksOf } from '../../../canonical/async/tasks.ts';
import { type Waitable, waitableOf } from '../../../canonical/async/waitable.ts';
import type { Process } from '../../../process.ts';
import { callOf, deliver, row, setOf } from './async-row.ts';

function taskOf(guest: Process, id: number): Task {
  return tasksOf(guest).of(id);
}

/** Keeps other tasks from putting `waitable` into a set, which would take its event, until `wait` has ended. */
function claimed(waitable: Waitable, wait: () => undefined | Promise<undefined>): undefined | Promise<undefined> {
  waitable.isAwaited = true;
  const ended = (): undefined => {
    waitable.isAwaited = false;
  };
  return wait()?.then(ended) ?? ended();
}

export const partRows = [
  row('task-begin', ['site', 'callee', 'exclusive'], 'i32', (guest, site, callee, exclusive) =>
    tasksOf(guest).begin(site, callee, exclusive === 1),
  ),
  {
    name: 'task-push',
    params: [{ name: 'value', type: 'i64' as const }],
    result: null,
    waits: false,
    run: (guest: Process, value: bigint) => {
      tasksOf(guest).push(value);
      return undefined;
    },
  },
  row('task-arg', ['task', 'index'], 'i64', (guest, id, index) => taskOf(guest, id).args[index] ?? 0n),
  // Runs the task until it waits or ends, or queues it.
  row('task-start', ['task'], null, (guest, id) => tasksOf(guest).start(id), true),
  row('task-current', [], 'i32', (guest) => tasksOf(guest).current.id),
  row('task-place', ['task'], 'i32', (guest, id) => taskOf(guest, id).site),
  row('task-started', ['task'], 'i32', (guest, id) => (taskOf(guest, id).state === callState.starting ? 0 : 1)),
  row('task-enter', ['task'], null, (guest, id) => {
    tasksOf(guest).enter(taskOf(guest, id));
    return undefined;
  }),
  // Handles that are lent from now on are lent to the task; 0: to the synchronous call in progress.
  row('task-lends', ['task'], null, (guest, id) => {
    guest.component.handles.taskLoans = id === 0 ? null : taskOf(guest, id).loans;
    return undefined;
  }),
  row('task-keep', ['task', 'first', 'second'], null, (guest, id, first, second) => {
    taskOf(guest, id).context = [first, second];
    return undefined;
  }),
  row('task-context', ['task', 'slot'], 'i32', (guest, id, slot) => taskOf(guest, id).context[slot === 0 ? 0 : 1]),
  row('task-leave', ['task', 'code'], null, (guest, id, code) => {
    tasksOf(guest).leave(taskOf(guest, id), code);
    return undefined;
  }),
  row('task-take', ['task'], 'i32', (guest, id) => deliver(guest, tasksOf(guest).take(taskOf(guest, id)))),
  // Number of the task that a part runs; 0: that of the entry point.
  row('task-running', ['part'], 'i32', (guest, part) => tasksOf(guest).running(part)?.id ?? 0),
  row('task-site', ['task'], 'i32', (guest, id) => {
    const task = taskOf(guest, id);
    tasksOf(guest).checkUnresolved(task);
    return task.site;
  }),
  {
    name: 'task-result',
    params: [
      { name: 'task', type: 'i32' as const },
      { name: 'value', type: 'i64' as const },
    ],
    result: null,
    waits: false,
    run: (guest: Process, id: number, value: bigint) => {
      taskOf(guest, id).result = value;
      return undefined;
    },
  },
  row('task-returned', ['task'], null, (guest, id) => {
    tasksOf(guest).returned(taskOf(guest, id));
    return undefined;
  }),
  row('task-status', ['task'], 'i32', (guest, id) => tasksOf(guest).status(taskOf(guest, id))),
  row('task-take-result', ['task'], 'i64', (guest, id) => tasksOf(guest).takeResult(taskOf(guest, id))),
  row('entry-begin', ['part', 'exclusive'], null, (guest, part, exclusive) => {
    tasksOf(guest).enterEntry(part, exclusive === 1);
    return undefined;
  }),
  row('entry-wait', ['wanted'], null, (guest, wanted) => tasksOf(guest).waitEntry(wanted), true),
  row('entry-event', ['wanted'], 'i32', (guest) => deliver(guest, tasksOf(guest).eventOfEntry())),
  // The rows `idle-…` wait while other tasks run: for a set, a waitable, a task, one turn, or all tasks.
  row(
    'idle-set',
    ['set'],
    null,
    (guest, handle) => {
      const set = setOf(guest, handle);
      set.waiting += 1;
      const waiting = tasksOf(guest).wait({ isReady: () => set.hasEvent, changed: [set.changed] });
      const ended = (): undefined => {
        set.waiting -= 1;
      };
      return waiting === undefined ? ended() : waiting.then(ended);
    },
    true,
  ),
  row(
    'idle-waitable',
    ['waitable'],
    null,
    (guest, handle) => {
      const waitable = waitableOf(guest, handle);
      return claimed(waitable, () =>
        tasksOf(guest).wait({ isReady: () => waitable.isSettled, changed: [waitable.changed] }),
      );
    },
    true,
  ),
  row(
    'idle-task',
    ['task'],
    null,
    (guest, id) => {
      const task = taskOf(guest, id);
      return tasksOf(guest).wait({ isReady: () => task.isResolved });
    },
    true,
  ),
  row('idle-turn', [], null, (guest) => tasksOf(guest).wait({ isReady: () => true, isTurn: true }), true),
  row('idle-end', [], null, (guest) => tasksOf(guest).waitForAll(), true),
  // Stores the result of the host function for which the task has waited, in memory that is selected now.
  row('store-result', [], null, ({ component }) => {
    const store = component.storeResult;
    component.storeResult = null;
    store?.();
    return undefined;
  }),
  row('must-not-wait', [], null, (guest) => {
    guest.component.mustNotWait = true;
    guest.component.checkMayWait();
    return undefined;
  }),
  // Says that the next call must not wait.
  {
    name: 'unwaiting',
    params: [],
    result: null,
    waits: false,
    run: (guest: Process) => {
      guest.component.mustNotWait = true;
      return undefined;
    },
  },
  // Number of a part whose memory gets what another one has written; 0: there is none. `store-unstored` stores what one
  // copy has brought, for which it may ask for allocations.
  row('unstored-part', [], 'i32', (guest) => {
    for (const { part } of guest.component.unstored) return part;
    return 0;
  }),
  row('store-unstored', [], null, (guest) => {
    const { unstored, handles } = guest.component;
    for (const one of unstored) {
      if (one.part !== handles.owner) continue;
      one.store();
      break;
    }
    return undefined;
  }),
  // The payload of the event of a waitable; -1: it has not ended.
  row('waitable-take', ['waitable'], 'i32', (guest, handle) => {
    const waitable = waitableOf(guest, handle);
    return waitable.isSettled ? waitable.take().payload : blocked;
  }),
  // Asks a call to end. Waits while a task runs that learns of it.
  row(
    'subtask-cancel',
    ['subtask'],
    null,
    (guest, handle) => {
      const call = callOf(guest, handle);
      call.checkAlone('a call is cancelled');
      if (call instanceof PartSubtask) return claimed(call, () => tasksOf(guest).cancel(call));
      call.cancel();
      return undefined;
    },
    true,
  ),
];
