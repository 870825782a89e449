//go:build !linux

package main

import (
	"context"
	"errors"
)

func record(context.Context, string) error {
	return errors.New("a session is recorded on Linux alone; without -record the picture is made of the one that was")
}
