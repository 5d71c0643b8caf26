//go:build tools

// Package influxd only names the command whose module graph go.sum pins.
package influxd

import _ "github.com/influxdata/influxdb/v2/cmd/influxd"
