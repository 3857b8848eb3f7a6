/** Addresses at which a server of this machine is reached. */
import type { NetworkInterfaceInfo } from 'node:os';
import { expect, test } from 'vitest';
import { inUrl, isLoopback, localHost, outerHost } from '../../src/bus/own-address.ts';

const of = (address: string, internal = false): NetworkInterfaceInfo => {
  const facts = { address, internal, netmask: '', mac: '', cidr: null };
  return address.includes(':') ? { ...facts, family: 'IPv6', scopeid: 0 } : { ...facts, family: 'IPv4' };
};

test('a server on all interfaces is told with an address that other machines reach', () => {
  const interfaces = {
    lo: [of('127.0.0.1', true), of('::1', true)],
    eth0: [of('fe80::1'), of('fd00::7'), of('169.254.3.3'), of('10.0.0.7')],
    eth1: [of('10.1.0.7')],
  };
  expect(outerHost('0.0.0.0', interfaces)).toBe('10.0.0.7');
  expect(outerHost('::', interfaces)).toBe('10.0.0.7');
  expect(outerHost('::', { eth0: [of('fe80::1'), of('fd00::7')] })).toBe('fd00::7');
  expect(outerHost('192.168.1.4', interfaces)).toBe('192.168.1.4');
  // Nothing but this machine.
  expect(outerHost('0.0.0.0', { lo: interfaces.lo })).toBe('127.0.0.1');
  expect(outerHost('::', { lo: interfaces.lo })).toBe('::1');
});

test('addresses for this machine, in URLs, and those that only this machine reaches', () => {
  expect(['0.0.0.0', '::', '10.0.0.7'].map(localHost)).toEqual(['127.0.0.1', '::1', '10.0.0.7']);
  expect(['::1', '10.0.0.7', 'nats'].map(inUrl)).toEqual(['[::1]', '10.0.0.7', 'nats']);
  const hosts = [
    '127.0.0.1',
    '127.1.2.3',
    '::1',
    '[::1]',
    'localhost',
    'a.localhost',
    '0.0.0.0',
    '10.0.0.7',
    'control-1',
  ];
  expect(hosts.filter(isLoopback)).toEqual(['127.0.0.1', '127.1.2.3', '::1', '[::1]', 'localhost', 'a.localhost']);
});
