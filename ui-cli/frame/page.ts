/** A page: a screen together with the component that draws it, so that no screen is opened without one. */
import { type ComponentType, createElement, type ReactElement } from 'react';
import type { Screen } from './screen.ts';

export interface Page<S extends Screen = Screen> {
  readonly screen: S;
  /** Draws the body of the screen. */
  readonly draw: () => ReactElement;
}

export interface ScreenProps<S extends Screen> {
  readonly screen: S;
}

export function page<S extends Screen>(screen: S, View: ComponentType<ScreenProps<S>>): Page<S> {
  return { screen, draw: () => createElement(View, { screen }) };
}
