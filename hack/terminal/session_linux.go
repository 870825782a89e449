package terminal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// Session is a program on a terminal.
type Session struct {
	cmd   *exec.Cmd
	front *os.File // where a user sits

	mu    sync.Mutex
	shown strings.Builder
	seen  int           // how much of shown was waited for
	grew  chan struct{} // has a token when shown has grown or has ended
	ended chan struct{} // closed when nothing more will be shown
}

// Start runs a program on a terminal of some columns; its session leader it is, as a login shell would be.
func Start(cmd *exec.Cmd, columns uint16) (*Session, error) {
	front, back, err := open(columns)
	if err != nil {
		return nil, err
	}
	defer back.Close() //nolint:errcheck // the program has it; nothing is written here
	cmd.Stdin, cmd.Stdout, cmd.Stderr = back, back, back
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, front.Close())
	}
	s := &Session{cmd: cmd, front: front, grew: make(chan struct{}, 1), ended: make(chan struct{})}
	go s.watch()
	return s, nil
}

// open gives both ends of a new terminal.
func open(columns uint16) (front, back *os.File, err error) {
	front, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	var number, unlocked uint32
	err = errors.Join(
		control(front, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked)), //nolint:gosec // so these calls are
		control(front, syscall.TIOCGPTN, unsafe.Pointer(&number)),     //nolint:gosec // likewise
		resize(front, columns))
	if err != nil {
		return nil, nil, errors.Join(err, front.Close())
	}
	back, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, errors.Join(err, front.Close())
	}
	return front, back, nil
}

// control asks something of a terminal, or tells it.
func control(terminal *os.File, request uintptr, value unsafe.Pointer) error {
	if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, terminal.Fd(), request, uintptr(value)); failed != 0 {
		return fmt.Errorf("a terminal's ioctl %x: %w", request, failed)
	}
	return nil
}

func resize(terminal *os.File, columns uint16) error {
	size := [4]uint16{40, columns}
	return control(terminal, syscall.TIOCSWINSZ, unsafe.Pointer(&size)) //nolint:gosec // so this call is
}

// Resize gives the terminal another width, of which the program is told as by a window that is drawn smaller or larger.
func (s *Session) Resize(columns uint16) error { return resize(s.front, columns) }

// Settings is how the terminal treats what is typed and shown: whether it echoes, for one. They can be compared.
func (s *Session) Settings() (syscall.Termios, error) {
	var settings syscall.Termios
	return settings, control(s.front, syscall.TCGETS, unsafe.Pointer(&settings)) //nolint:gosec // so this call is
}

// watch keeps what is shown until the last program has left the terminal.
func (s *Session) watch() {
	defer close(s.ended)
	b := make([]byte, 4096)
	for {
		n, err := s.front.Read(b)
		s.mu.Lock()
		s.shown.Write(b[:n])
		s.mu.Unlock()
		select {
		case s.grew <- struct{}{}:
		default:
		}
		if err != nil { // a terminal that nobody is at any more gives EIO
			return
		}
	}
}

// Type types a text as it is: \r is the return key, \t the tab key.
func (s *Session) Type(text string) error {
	_, err := s.front.WriteString(text)
	return err
}

// See waits until a text is shown that no See has seen before, and gives what was shown up to its end.
func (s *Session) See(ctx context.Context, text string) (string, error) {
	for {
		s.mu.Lock()
		rest := s.shown.String()[s.seen:]
		if i := strings.Index(rest, text); i >= 0 {
			s.seen += i + len(text)
			s.mu.Unlock()
			return rest[:i+len(text)], nil
		}
		s.mu.Unlock()
		select {
		case <-s.grew:
		case <-s.ended:
			select {
			case <-s.grew:
				continue
			default:
			}
			return rest, fmt.Errorf("the program ended without showing %q, but %q", text, rest)
		case <-ctx.Done():
			return rest, fmt.Errorf("waiting for %q, seeing %q: %w", text, rest, ctx.Err())
		}
	}
}

// Wait waits until the program has ended and gives all that was ever shown, and the program's exit code.
func (s *Session) Wait() (shown string, code int, err error) {
	err = s.cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = nil
	}
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String(), s.cmd.ProcessState.ExitCode(), errors.Join(err, s.front.Close())
}
