//go:build tools

// Package prometheus only names the commands whose module graph go.sum pins.
package prometheus

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
