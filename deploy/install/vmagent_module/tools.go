//go:build tools

// Package vmagent only names the command whose module graph go.sum pins.
package vmagent

import _ "github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent"
