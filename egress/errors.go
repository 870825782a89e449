package egress

import "fmt"

// InputError is something that a user typed or wrote in a file and that cannot be taken as it is. Its message is one line,
// names the value and says what to give instead. Programs end with exit code 2 on it.
type InputError struct {
	Msg string
}

// Error is the message for the user.
func (e *InputError) Error() string { return e.Msg }

// Inputf makes an InputError.
func Inputf(format string, args ...any) error {
	return &InputError{Msg: fmt.Sprintf(format, args...)}
}
